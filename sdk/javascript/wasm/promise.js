// Promises whose jobs this module runs itself (ECMA-262, section 27.2).

const jobs = [];

export function enqueue(job) {
  jobs.push(job);
}

// Runs jobs, and those that they add, until none is left.
export function drain() {
  for (let next = 0; next < jobs.length; next++) {
    const job = jobs[next];
    jobs[next] = undefined;
    job();
  }
  jobs.length = 0;
}

class Promised {
  #state = 'pending';
  #value;
  #waiting = [];

  constructor(executor) {
    if (typeof executor !== 'function') throw new TypeError('a Promise takes a function');
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  then(onFulfilled, onRejected) {
    const { promise, resolve, reject } = Promised.withResolvers();
    const react = () => {
      const call = this.#state === 'fulfilled' ? onFulfilled : onRejected;
      if (typeof call !== 'function') return this.#state === 'fulfilled' ? resolve(this.#value) : reject(this.#value);
      try {
        resolve(call(this.#value));
      } catch (error) {
        reject(error);
      }
    };
    if (this.#state === 'pending') this.#waiting.push(react);
    else enqueue(react);
    return promise;
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(call) {
    if (typeof call !== 'function') return this.then(call, call);
    return this.then(
      (value) => Promised.resolve(call()).then(() => value),
      (error) => Promised.resolve(call()).then(() => Promised.reject(error)),
    );
  }

  get [Symbol.toStringTag]() {
    return 'Promise';
  }

  static withResolvers() {
    let resolve, reject;
    const promise = new Promised((yes, no) => ([resolve, reject] = [yes, no]));
    return { promise, resolve, reject };
  }

  static resolve(value) {
    return value instanceof Promised ? value : new Promised((resolve) => resolve(value));
  }

  static reject(error) {
    return new Promised((_, reject) => reject(error));
  }

  static try(call, ...values) {
    return new Promised((resolve) => resolve(call(...values)));
  }

  static all(values) {
    return Promised.#each(values, (entry, i, all, done, reject) => {
      entry.then((value) => done((all[i] = value)), reject);
    });
  }

  static allSettled(values) {
    return Promised.#each(values, (entry, i, all, done) => {
      entry.then(
        (value) => done((all[i] = { status: 'fulfilled', value })),
        (reason) => done((all[i] = { status: 'rejected', reason })),
      );
    });
  }

  static any(values) {
    return new Promised((resolve, reject) => {
      const errors = Promised.#each(values, (entry, i, all, done) => {
        entry.then(resolve, (error) => done((all[i] = error)));
      });
      errors.then((all) => reject(new AggregateError(all, 'every promise was rejected')), reject);
    });
  }

  static race(values) {
    return new Promised((resolve, reject) => {
      for (const value of values) Promised.resolve(value).then(resolve, reject);
    });
  }

  // The answers of all, in order, when as many are done as there are.
  static #each(values, look) {
    return new Promised((resolve, reject) => {
      const all = [];
      let open = 1;
      const done = () => {
        if (--open === 0) resolve(all);
      };
      let i = 0;
      for (const value of values) {
        open++;
        look(Promised.resolve(value), i++, all, done, reject);
      }
      done();
    });
  }

  // The first call of either counts.
  #settlers() {
    let used = false;
    const once = (settle) => (value) => {
      if (used) return;
      used = true;
      settle(value);
    };
    return {
      resolve: once((value) => this.#resolve(value)),
      reject: once((error) => this.#settle('rejected', error)),
    };
  }

  // Follows what has a `then`.
  #resolve(value) {
    if (value === this) return this.#settle('rejected', new TypeError('a promise waits for itself'));
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
      return this.#settle('fulfilled', value);
    }
    let then;
    try {
      then = value.then;
    } catch (error) {
      return this.#settle('rejected', error);
    }
    if (typeof then !== 'function') return this.#settle('fulfilled', value);
    const { resolve, reject } = this.#settlers();
    enqueue(() => {
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state, value) {
    this.#state = state;
    this.#value = value;
    for (const react of this.#waiting) enqueue(react);
    this.#waiting = [];
  }
}

Object.defineProperty(Promised, 'name', { value: 'Promise' });

export { Promised as Promise };
