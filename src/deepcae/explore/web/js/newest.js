// Questions that come faster than their answers.

/**
 * One question is under way at a time; of those that come meanwhile only the newest is asked next. So what is shown is
 * never older than one answer, and no answer is thrown away while somebody drags.
 * @param {(given: any) => Promise<any>} ask
 * @param {(answer: any, given: any, took: number) => void} answered  took: milliseconds
 * @param {(error: Error) => void} failed
 * @returns {{ask: (given: any) => void, end: () => void}}
 */
export function newest(ask, answered, failed) {
  let waiting = null;
  let busy = false;
  let ended = false;

  async function next() {
    if (busy || !waiting) return;
    const { given } = waiting;
    waiting = null;
    busy = true;
    const start = performance.now();
    try {
      const answer = await ask(given);
      if (!ended) answered(answer, given, performance.now() - start);
    } catch (error) {
      if (!ended) failed(error);
    }
    busy = false;
    next();
  }

  return {
    ask(given) {
      waiting = { given };
      next();
    },
    end() {
      ended = true;
      waiting = null;
    },
  };
}

/** Calls `act` once nothing was asked for `pause` milliseconds. */
export function settled(act, pause) {
  let timer = 0;
  return {
    ask(given) {
      clearTimeout(timer);
      timer = setTimeout(() => act(given), pause);
    },
    end: () => clearTimeout(timer),
  };
}
