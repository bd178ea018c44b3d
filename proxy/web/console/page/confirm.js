// Asks before something is done that cannot be undone.

import { byId, say } from "./dom.js";

/**
 * Gives what was chosen, or null for no. `held` offers to keep what is ended from starting again:
 * `hold` is for how long, as the API takes it ("" not at all), and `span` the same in words.
 */
export function confirmed({ title, text, action, held = false }) {
  const dialog = byId("confirm");
  say(byId("confirm-title"), title);
  say(byId("confirm-text"), text);
  say(byId("confirm-yes"), action);
  byId("hold-field").hidden = !held;
  byId("hold").value = "";
  return new Promise((resolve) => {
    const over = new AbortController();
    const done = (answer) => {
      over.abort();
      dialog.close();
      resolve(answer);
    };
    const on = (element, event, act) => element.addEventListener(event, act, { signal: over.signal });
    on(dialog.querySelector("form"), "submit", (event) => {
      event.preventDefault();
      const { value, selectedOptions } = byId("hold");
      done({ hold: value, span: selectedOptions[0].textContent });
    });
    on(byId("confirm-no"), "click", () => done(null));
    on(dialog, "close", () => done(null)); // by Escape
    dialog.showModal();
  });
}
