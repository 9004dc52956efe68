/* The explorer's search form becomes the address; the page follows. */
(function () {
  "use strict";
  window.dash_clientside = window.dash_clientside || {};
  const typed = (name) => {
    const field = document.getElementById("explorer-" + name);
    return field ? field.value.trim() : "";
  };
  window.dash_clientside.explorer = {
    search: function (clicks, textSubmits, valueSubmits, signal, status, search) {
      const none = window.dash_clientside.no_update;
      if (!clicks && !textSubmits && !valueSubmits) return none;
      const address = new URLSearchParams(search || "");
      const put = (name, value) => (value ? address.set(name, value) : address.delete(name));
      ["before", "trace", "span", "offset"].forEach((name) => address.delete(name));
      put("text", typed("text"));
      put("status", status);
      if (signal) {
        const value = typed("value").replaceAll(";", " ");
        const others = (address.get("signal") || "").split(";").filter((part) => part && part.split(":")[0] !== signal);
        put("signal", [...others, value ? signal + ":" + value : signal].join(";"));
      }
      const after = "?" + address.toString();
      return after === (search || "?") ? none : after;
    },
  };
})();
