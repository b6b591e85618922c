// Waiting for events: whatever happens to a client, a page or a proxy is news, and news makes every waiter look again.

const waiters = new Set();
let told = 0;

/** Says that something happened. */
export function tell() {
  told += 1;
  for (const look of [...waiters]) look();
}

/** How much has happened so far; remember it, and `newsAfter` misses nothing. */
export function newsSoFar() {
  return told;
}

/**
 * Resolves with the first truthy value of `holds()`, asked now and after all news.
 * Rejects, naming `what` was waited for, when `within` milliseconds pass, or when `holds` throws.
 */
export function until(what, holds, within = PATIENCE_MS) {
  const inVain = new Error(`waited ${within} ms in vain until ${what}`);
  return new Promise((resolve, reject) => {
    const settle = (how, value) => {
      clearTimeout(timer);
      waiters.delete(look);
      how(value);
    };
    const look = () => {
      try {
        const value = holds();
        if (value) settle(resolve, value);
      } catch (error) {
        settle(reject, error);
      }
    };
    const timer = setTimeout(() => settle(reject, inVain), within);
    waiters.add(look);
    look();
  });
}

/** Resolves with whether anything has happened after `seen`, a value of `newsSoFar`, or does so `within` milliseconds. */
export function newsAfter(seen, within = PATIENCE_MS) {
  return until("there is news", () => told > seen, within).then(() => true, () => false);
}

/** Longer than anything a healthy server takes: a long-poll session that went silent ends after six seconds. */
export const PATIENCE_MS = 15_000;
