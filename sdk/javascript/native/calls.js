// A call in a native test. Node.js runs promises itself, and an error stays an
// exception, so that a test can look at it.

import { failure } from '../failure.js';
import { fetch } from '../fetch.js';

// A test sends nothing.
globalThis.fetch = fetch;

export function run(body, finish) {
  try {
    const value = body();
    if (typeof value?.then !== 'function') return finish(value);
    return value.then(finish).catch((error) => {
      throw failure(error);
    });
  } catch (error) {
    throw failure(error);
  }
}
