// Shell patterns over paths, without regular expressions: linear-time backtracking, because file names are hostile input.

/**
 * `?` is one character, `*` any run of them, neither crosses `/`; `**` crosses it. Everything else stands for itself.
 * @returns whether the whole of `text` matches
 */
export function globMatches(pattern: string, text: string): boolean {
  const tokens = tokensOf(pattern);
  const characters = [...text];
  // reachable[j]: the tokens so far can match the first j characters.
  let reachable: boolean[] = new Array(characters.length + 1).fill(false);
  reachable[0] = true;
  for (const token of tokens) {
    const next: boolean[] = new Array(characters.length + 1).fill(false);
    for (let j = 0; j <= characters.length; j++) {
      if (token === '*' || token === '**') {
        const previous = characters[j - 1];
        next[j] =
          reachable[j] === true || (j > 0 && next[j - 1] === true && (token === '**' || previous !== '/'));
      } else if (j > 0 && reachable[j - 1] === true) {
        next[j] = token === '?' ? characters[j - 1] !== '/' : characters[j - 1] === token;
      }
    }
    reachable = next;
  }
  return reachable[characters.length] === true;
}

/** Whether it is a pattern at all, or a plain name. */
export function hasGlobCharacters(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

function tokensOf(pattern: string): string[] {
  const tokens: string[] = [];
  for (const character of pattern) {
    const last = tokens[tokens.length - 1];
    if (character === '*' && (last === '*' || last === '**')) tokens[tokens.length - 1] = '**';
    else tokens.push(character);
  }
  return tokens;
}
