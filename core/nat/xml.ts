// Just enough XML for a gateway's answers, which are hostile like everything else: elements and text; bounded in depth and number; no
// document types, so that no entity can be declared. Namespaces are cut off the names. Pure.
import { accept, type Result, reject } from '../base/result.ts';

export interface XmlElement {
  /** Without its prefix, as written. */
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Own text, trimmed; that of the children is theirs. */
  readonly text: string;
}

/** Descriptions of real gateways have about 200 elements, 8 deep. */
const MAX_ELEMENTS = 2_000;
const MAX_DEPTH = 24;
const MAX_NAME = 100;

interface OpenElement {
  readonly qualified: string;
  readonly children: XmlElement[];
  text: string;
}

export function parseXml(source: string): Result<XmlElement> {
  const open: OpenElement[] = [{ qualified: '', children: [], text: '' }];
  let count = 0;
  let at = 0;
  while (at < source.length) {
    const top = open[open.length - 1] as OpenElement;
    const start = source.indexOf('<', at);
    const text = source.slice(at, start < 0 ? source.length : start);
    if (text.trim() !== '') top.text += unescapeXml(text);
    if (start < 0) break;
    if (source.startsWith('<!--', start)) {
      const end = source.indexOf('-->', start + 4);
      if (end < 0) return reject('XML: a comment without end');
      at = end + 3;
      continue;
    }
    if (source.startsWith('<![CDATA[', start)) {
      const end = source.indexOf(']]>', start + 9);
      if (end < 0) return reject('XML: a CDATA section without end');
      top.text += source.slice(start + 9, end);
      at = end + 3;
      continue;
    }
    if (source.startsWith('<!', start)) return reject('XML: a document type is not taken');
    const end = endOfTag(source, start);
    if (end < 0) return reject('XML: a tag without end');
    const tag = source.slice(start + 1, end);
    at = end + 1;
    if (tag.startsWith('?')) continue;
    if (tag.startsWith('/')) {
      if (open.length < 2 || tag.slice(1).trim() !== top.qualified) return reject('XML: tags do not match');
      open.pop();
      finish(top, open[open.length - 1] as OpenElement);
      continue;
    }
    const qualified = /^[^\s/>"'=]+/.exec(tag)?.[0];
    if (qualified === undefined || qualified.length > MAX_NAME) return reject('XML: a tag without a name');
    if (++count > MAX_ELEMENTS) return reject(`XML: more than ${MAX_ELEMENTS} elements`);
    const element: OpenElement = { qualified, children: [], text: '' };
    if (tag.endsWith('/')) finish(element, top);
    else if (open.length > MAX_DEPTH) return reject(`XML: deeper than ${MAX_DEPTH}`);
    else open.push(element);
  }
  const [root, ...others] = (open[0] as OpenElement).children;
  if (open.length > 1 || root === undefined || others.length > 0) return reject('XML: not one whole element');
  return accept(root);
}

/** Elements of that name anywhere below, in order; itself included. */
export function* descendants(element: XmlElement, name: string): Generator<XmlElement> {
  if (element.name === name) yield element;
  for (const child of element.children) yield* descendants(child, name);
}

/** Text of the first child of that name. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]{2,4});/g, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
}

/** A `>` inside quotes does not end a tag. */
function endOfTag(source: string, start: number): number {
  let quote = '';
  for (let at = start + 1; at < source.length; at++) {
    const character = source[at] as string;
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return at;
  }
  return -1;
}

function finish({ qualified, children, text }: OpenElement, parent: OpenElement): void {
  parent.children.push({ name: qualified.slice(qualified.indexOf(':') + 1), children, text: text.trim() });
}
