// Asks before something is done that cannot be undone.

import { byId, say } from "./dom.js";

/** Gives what was chosen, `{hold}`, or null for no. `held` offers to keep it from starting again. */
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
      done({ hold: byId("hold").value });
    });
    on(byId("confirm-no"), "click", () => done(null));
    on(dialog, "close", () => done(null)); // by Escape
    dialog.showModal();
  });
}
