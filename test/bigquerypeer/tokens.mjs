// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// A tokenizer of GoogleSQL, enough to split scripts and to rewrite what the
// transpiler does not know. Everything between tokens is kept, so that joining
// them gives the text again.
import { invalidQuery } from './errors.mjs';

const string = /^(?:[rR]?[bB]?|[bB][rR])(?:'''(?:\\[\s\S]|[^\\])*?'''|"""(?:\\[\s\S]|[^\\])*?"""|'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*")/;
const kinds = [
  ['space', /^\s+/], ['comment', /^(?:--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)/], ['string', string],
  ['quoted', /^`(?:\\[\s\S]|[^`\\])*`/], ['parameter', /^@[A-Za-z_]\w*|^\?/], ['system', /^@@[A-Za-z_][\w.]*/],
  ['number', /^(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/], ['word', /^[A-Za-z_]\w*/], ['symbol', /^[\s\S]/],
];

/** tokenize returns [{kind, text}]. */
export function tokenize(sql) {
  const out = [];
  for (let rest = sql; rest;) {
    // A number right after a point is a name's part only in paths like t.1, which there are none of.
    const [kind, m] = kinds.map(([k, re]) => [k, re.exec(rest)]).find(([, found]) => found);
    if (kind === 'symbol' && /['"`]/.test(m[0])) throw invalidQuery('Syntax error: Unclosed string literal');
    out.push({ kind, text: m[0] });
    rest = rest.slice(m[0].length);
  }
  return out;
}

export const blank = (t) => t.kind === 'space' || t.kind === 'comment';
export const join = (tokens) => tokens.map((t) => t.text).join('');

/** statements splits at semicolons and drops what is empty. */
export function statements(sql) {
  const parts = [[]];
  for (const t of tokenize(sql)) {
    if (t.kind === 'symbol' && t.text === ';') parts.push([]);
    else parts.at(-1).push(t);
  }
  return parts.filter((p) => p.some((t) => !blank(t)));
}

/** words are the first n words of a statement in upper case. */
export function words(tokens, n) {
  const out = [];
  for (const t of tokens) {
    if (blank(t) || t.text === '(') continue;
    if (t.kind !== 'word' || out.length === n) break;
    out.push(t.text.toUpperCase());
  }
  return out;
}

/** closing is the index of the parenthesis that closes the one at i. */
export function closing(tokens, i) {
  let depth = 0;
  for (; i < tokens.length; i++) {
    if (tokens[i].text === '(') depth++;
    if (tokens[i].text === ')' && --depth === 0) return i;
  }
  throw invalidQuery('Syntax error: Expected ")" but got end of script');
}

/** next is the index of the first token from i on that is not blank. */
export function next(tokens, i) {
  while (i < tokens.length && blank(tokens[i])) i++;
  return i;
}
