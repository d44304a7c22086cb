// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Errors in Google's JSON form. The reasons are those of the page "Error
// messages" of BigQuery's documentation.

const statuses = new Map([
  [400, 'INVALID_ARGUMENT'], [401, 'UNAUTHENTICATED'], [403, 'PERMISSION_DENIED'], [404, 'NOT_FOUND'], [409, 'ALREADY_EXISTS'],
  [412, 'FAILED_PRECONDITION'], [413, 'INVALID_ARGUMENT'], [429, 'RESOURCE_EXHAUSTED'], [500, 'INTERNAL'], [501, 'UNIMPLEMENTED'], [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'], [504, 'DEADLINE_EXCEEDED'],
]);

/** ApiError is an answer that is an error. */
export class ApiError extends Error {
  constructor(code, reason, message, location) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.location = location;
  }

  /** proto is the ErrorProto that jobs carry. */
  proto() {
    return { reason: this.reason, message: this.message, ...(this.location && { location: this.location }) };
  }

  /** body is the answer's. */
  body() {
    const item = { message: this.message, domain: 'global', reason: this.reason };
    if (this.location) Object.assign(item, { location: this.location, locationType: 'other' });
    return { error: { code: this.code, message: this.message, errors: [item], status: statuses.get(this.code) ?? 'UNKNOWN' } };
  }
}

export const notFound = (what, name) => new ApiError(404, 'notFound', `Not found: ${what} ${name}`);
export const duplicate = (what, name) => new ApiError(409, 'duplicate', `Already Exists: ${what} ${name}`);
export const invalid = (message) => new ApiError(400, 'invalid', message);
export const invalidQuery = (message) => new ApiError(400, 'invalidQuery', message, 'query');
export const notImplemented = (message) => new ApiError(501, 'notImplemented', `${message} (this is a counterpart for tests, not BigQuery)`);

/** fromDuck words an error of DuckDB's as BigQuery words its own, where the two are known. */
export function fromDuck(err) {
  if (err instanceof ApiError) return err;
  const text = String(err?.message ?? err);
  const first = text.split('\n')[0];
  let m;
  if ((m = /Could not convert string '(.*)' to INT/s.exec(text))) return invalidQuery(`Bad int64 value: ${m[1]}`);
  if ((m = /Could not convert string '(.*)' to DOUBLE/s.exec(text))) return invalidQuery(`Bad double value: ${m[1]}`);
  if ((m = /date field value out of range: "(.*?)"|invalid date field format: \((.*?)\)/s.exec(text))) return invalidQuery(`Invalid date: '${m[1] ?? m[2]}'`);
  if ((m = /Table with name (\S+) does not exist/.exec(text))) return notFound('Table', m[1]);
  if ((m = /Referenced (?:column|table) "(.*?)"/.exec(text))) return invalidQuery(`Unrecognized name: ${m[1]}`);
  if ((m = /(?:Scalar |Aggregate )?Function with name (\S+) does not exist/i.exec(text))) return invalidQuery(`Function not found: ${m[1]}`);
  if ((m = /^Invalid Input Error: (.*)$/s.exec(first))) return invalidQuery(m[1]);
  if (/^Parser Error/.test(first)) return invalidQuery(`Syntax error: ${first.replace(/^Parser Error: /, '')}`);
  return invalidQuery(first);
}
