// The codes: every image as a point.

/** Shows the view in `main`; returns what ends it. */
export function mount(main) {
  main.replaceChildren();
  return () => {};
}
