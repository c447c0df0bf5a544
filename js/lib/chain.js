/** Lets `then` run after whatever `owner[name]` does already, with its `this` and arguments. */
export function chain(owner, name, then) {
  const before = owner[name];
  owner[name] = function (...given) {
    const result = before?.apply(this, given);
    then.apply(this, given);
    return result;
  };
}
