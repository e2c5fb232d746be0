import { fromBase64, toBase64 } from "./base64.ts";

/** A value as DynamoDB writes it in JSON: its type, then itself; numbers as text, bytes as base64. */
export type AttributeValue = { readonly [type: string]: unknown };
export type Attributes = { readonly [name: string]: AttributeValue };

/** Nothing nearer to 0 is a number of DynamoDB; nothing beyond a safe integer comes back as it was. */
const leastNumber = 1e-130;

/** @throws TypeError for what an item cannot hold: it would come back as something else */
export function toAttributes(item: { readonly [name: string]: unknown }): Attributes {
  // `fromEntries` makes a member of any name, `__proto__` too.
  return Object.fromEntries(
    Object.entries(item).flatMap(([name, value]) => (value === undefined ? [] : [[name, toAttribute(value)]])),
  );
}

function toAttribute(value: unknown): AttributeValue {
  switch (typeof value) {
    case "string":
      return { S: value };
    case "number":
      if (!(value === 0 || (Math.abs(value) >= leastNumber && Math.abs(value) <= Number.MAX_SAFE_INTEGER))) break;
      return { N: String(value) };
    case "boolean":
      return { BOOL: value };
    case "object":
      if (value === null) return { NULL: true };
      if (value instanceof Uint8Array) return { B: toBase64(value) };
      if (Array.isArray(value)) return { L: value.map(toAttribute) };
      return { M: toAttributes(value as { readonly [name: string]: unknown }) };
  }
  throw new TypeError(`an item holds no such ${typeof value}`);
}

/** @throws TypeError for a type that no item of ours has, or a number that JavaScript cannot hold */
export function fromAttributes(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, fromAttribute(value)]));
}

function fromAttribute(attribute: AttributeValue): unknown {
  const [[type, value] = []] = Object.entries(attribute);
  switch (type) {
    case "S":
    case "BOOL":
      return value;
    case "N": {
      const number = Number(value);
      if (Math.abs(number) <= Number.MAX_SAFE_INTEGER) return number;
      break;
    }
    case "NULL":
      return null;
    case "B":
      return fromBase64(value as string);
    case "L":
      return (value as AttributeValue[]).map(fromAttribute);
    case "M":
      return fromAttributes(value as Attributes);
  }
  throw new TypeError(`an item has an attribute of type ${type}`);
}
