/** Bad input, told in one line: the page shows it as it is. */
export class InputError extends Error {}
