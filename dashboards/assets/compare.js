/* The forms of the page that compares become the address; the page follows. */
(function () {
  "use strict";
  window.dash_clientside = window.dash_clientside || {};
  const changed = (search, values) => {
    const address = new URLSearchParams(search || "");
    Object.entries(values).forEach(([name, value]) => (value ? address.set(name, value) : address.delete(name)));
    const after = "?" + address.toString();
    return after === (search || "?") ? window.dash_clientside.no_update : after;
  };
  const nextDay = (day) => {
    const moment = new Date(day + "T00:00:00Z");
    moment.setUTCDate(moment.getUTCDate() + 1);
    return moment.toISOString().slice(0, 10);
  };
  window.dash_clientside.compare = {
    /* Another dimension has other values to choose from. */
    dimension: function (by, search) {
      if (!by || new URLSearchParams(search || "").get("by") === by) return window.dash_clientside.no_update;
      return changed(search, { by: by, first: "", second: "" });
    },
    variants: function (clicks, by, first, second, search) {
      if (!clicks) return window.dash_clientside.no_update;
      return changed(search, { by: by, first: first, second: second });
    },
    ranges: function (clicks, from, to, search) {
      if (!clicks || !from || !to) return window.dash_clientside.no_update;
      const last = to < from ? from : to;
      return changed(search, { before_from: from + "T00:00Z", before_to: nextDay(last) + "T00:00Z" });
    },
  };
})();
