/** Returns a text that is not used yet: the given one, or that one with a suffix. */
export function unique(text: string, isUsed: (text: string) => boolean): string {
  return isUsed(text) ? unique(`${text}#`, isUsed) : text;
}
