// What an exception becomes.

import { RiposteError } from './error.js';
import * as log from './log.js';

// What the engine is told. What the author did not throw as a RiposteError is a
// fault of the plugin: its stack goes to the log.
export function failure(error) {
  if (error instanceof RiposteError) return error;
  const what = described(error);
  log.error(what);
  const stack = typeof error?.stack === 'string' ? error.stack : '';
  // Node.js puts the message before the frames, QuickJS does not.
  for (const line of stack.split('\n')) if (/^\s*at /.test(line)) log.error(line.trimEnd());
  return new RiposteError('failed', what, false, { cause: error });
}

function described(error) {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;
  } catch {
    return 'thrown: something that is no text';
  }
}
