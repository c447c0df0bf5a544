/** Runs `then` after `owner[name]`, with the same `this` and arguments. */
export function chain(owner, name, then) {
  const before = owner[name];
  owner[name] = function (...args) {
    const result = before?.apply(this, args);
    then.apply(this, args);
    return result;
  };
}
