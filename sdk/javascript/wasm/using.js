// Uses what the engine has handed out, and gives it back: a call may hold only so
// many at a time. What was taken from another goes before it.
export function using(resource, use) {
  try {
    return use(resource);
  } finally {
    resource[Symbol.dispose]();
  }
}
