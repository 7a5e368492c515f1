// Why something was not done.

export class RiposteError extends Error {
  constructor(kind, message, retry = false, options = undefined) {
    super(message, options);
    this.name = 'RiposteError';
    this.kind = kind;
    this.retry = retry;
  }

  static failed(message) {
    return new RiposteError('failed', message);
  }

  static invalid(message) {
    return new RiposteError('invalid-input', message);
  }

  static noKey(message) {
    return new RiposteError('no-key', message);
  }

  static unavailable(message) {
    return new RiposteError('unavailable', message, true);
  }
}
