/** Invalid input; the page shows the one-line message unchanged. */
export class InputError extends Error {}
