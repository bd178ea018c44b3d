// The proxy's clock, as far as its last answer told, and spans of time in words. What is compared
// with the proxy's times is its own now: an operator's machine may be minutes off.

let ahead = 0;

/** Takes what the proxy said the time is. */
export function setClock(text) {
  const told = Date.parse(text);
  if (Number.isFinite(told)) ahead = told - Date.now();
}

const now = () => new Date(Date.now() + ahead);

/** Gives the seconds from an instant until now; below zero for one to come. */
export const secondsSince = (text) => (now() - Date.parse(text)) / 1000;

/** Says a span in its two largest units. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (!Number.isFinite(whole)) return "?";
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

const two = (number) => String(number).padStart(2, "0");

/** Says when something was, in the operator's own time. */
export const moment = (text) => new Date(text).toLocaleString();
