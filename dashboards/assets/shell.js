/* What the frame of the dashboard does in the browser: the filter bar and the address keep each other. */
(function () {
  "use strict";
  const OWN = ["project", "range", "from", "to", "segment", "compare"];
  const DEFAULT_RANGE = "56d";

  function scheme() {
    const chosen = document.documentElement.getAttribute("data-mantine-color-scheme");
    if (chosen === "dark" || chosen === "light") return chosen;
    const stored = window.localStorage.getItem("mantine-color-scheme-value");
    if (stored === "dark" || stored === "light") return stored;
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  function nothing() {
    return window.dash_clientside.no_update;
  }

  function filterOnly(search) {
    const kept = new URLSearchParams();
    new URLSearchParams(search || "").forEach((value, name) => {
      if (OWN.includes(name)) kept.set(name, value);
    });
    return kept.toString();
  }

  function nextDay(day, days) {
    const moment = new Date(day + "T00:00:00Z");
    moment.setUTCDate(moment.getUTCDate() + days);
    return moment.toISOString().slice(0, 10);
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    shell: {
      /* The address and the colour scheme as one question to the server. */
      ask: function (pathname, search) {
        window.dash_clientside.set_props("burger", { opened: false });
        return { path: pathname || "/", search: search || "", theme: scheme() };
      },

      /* Links of the navigation keep the filter and drop what is a page's own. */
      navigation: function (ask, ids) {
        const query = filterOnly(ask && ask.search);
        const path = (ask && ask.path) || "/";
        return [
          ids.map((id) => id.path + (query ? "?" + query : "")),
          ids.map((id) => "nav-link" + (id.path === path ? " is-active" : "")),
        ];
      },

      /* The controls show what the server understood of the address. */
      show: function (state) {
        if (!state) return nothing();
        const set = window.dash_clientside.set_props;
        set("filter-project", { data: state.projects, value: state.project });
        set("filter-range", { data: state.ranges, value: state.range });
        set("filter-from", { value: state.from });
        set("filter-to", { value: state.to });
        set("filter-segment", { data: state.segments, value: state.segment });
        set("filter-compare", { data: state.segments, value: state.compare });
        document.title = state.title;
        const active = document.querySelectorAll(".nav-link");
        active.forEach((link) => {
          if (link.classList.contains("is-active")) link.setAttribute("aria-current", "page");
          else link.removeAttribute("aria-current");
        });
        return state.range === "custom" ? "filter-days" : "filter-days is-hidden";
      },

      /* A changed control becomes a changed address; the page stays. */
      choose: function (project, range, from, to, segment, compare, state, search) {
        if (!state || !project) return nothing();
        const now = new URLSearchParams(search || "");
        const before = now.toString();
        const put = (name, value) => (value ? now.set(name, value) : now.delete(name));
        if (project !== state.project) {
          const kept = new URLSearchParams(filterOnly(search));
          ["segment", "compare"].forEach((name) => kept.delete(name));
          kept.set("project", project);
          return "?" + kept.toString();
        }
        if (range !== state.range && range && range !== "custom") {
          put("range", range === DEFAULT_RANGE ? "" : range);
          now.delete("from");
          now.delete("to");
        } else if (range === "custom" && from && to && (range !== state.range || from !== state.from || to !== state.to)) {
          now.delete("range");
          put("from", from + "T00:00Z");
          put("to", nextDay(to < from ? from : to, 1) + "T00:00Z");
        }
        if ((segment || "") !== (state.segment || "")) put("segment", segment);
        if ((compare || "") !== (state.compare || "")) put("compare", compare);
        const after = now.toString();
        return after === before ? nothing() : after ? "?" + after : "";
      },

      menu: function (opened, navbar) {
        const button = document.getElementById("burger");
        if (button) button.setAttribute("aria-expanded", opened ? "true" : "false");
        return Object.assign({}, navbar, { collapsed: { mobile: !opened, desktop: false } });
      },

      /* Another colour scheme: the charts that are there change their template. */
      paint: function (scheme, figures, templates) {
        const template = templates[scheme] || templates.light;
        return figures.map((figure) => {
          if (!figure) return nothing();
          return Object.assign({}, figure, { layout: Object.assign({}, figure.layout, { template: template }) });
        });
      },

      /* A click into a chart opens the calls behind that point. */
      follow: function (clicks) {
        const fired = window.dash_clientside.callback_context.triggered[0];
        const point = fired && fired.value && fired.value.points && fired.value.points[0];
        let address = point && point.customdata;
        if (Array.isArray(address)) address = address[0];
        if (typeof address !== "string" || !address.startsWith("/") || address.startsWith("//")) return nothing();
        window.history.pushState({}, "", address);
        window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
        window.scrollTo(0, 0);
        return nothing();
      },
    },
  });
})();
