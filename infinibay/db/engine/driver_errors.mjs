// Errors of the driver on their way through the engine, which carries only their numbers.

/** Keeps each error until it is taken, once; the oldest are dropped when the engine never reports them. */
export class DriverErrors {
  static MOST = 1000;

  constructor() {
    this.kept = new Map();
    this.next = 1;
  }

  keep(error) {
    const id = this.next++;
    this.kept.set(id, error);
    if (this.kept.size > DriverErrors.MOST) this.kept.delete(this.kept.keys().next().value);
    return id;
  }

  take(id) {
    const error = this.kept.get(id);
    this.kept.delete(id);
    return error;
  }
}
