// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// The functions, about people that do not exist. functionspeer.go lists them.
import { setTimeout } from 'node:timers/promises';

const people = new Map([
  ['1001', { mrn: 1001, name: 'Ada Example', ssn: '219-09-9991', birth: '1961-04-02', phone: '212-555-0143', visits: [{ day: '2026-01-05', codes: ['E11.9', 'I10'] }] }],
  ['1002', { mrn: 1002, name: 'Bo Sample', ssn: '219-09-9992', birth: '1974-11-30', phone: '212-555-0144', visits: [] }],
]);

const segment = (request) => request.path.split('/').filter(Boolean);

function fhirPatient(id) {
  const p = people.get(id);
  const [given, family] = p.name.split(' ');
  return {
    resourceType: 'Patient', id, birthDate: p.birth, name: [{ use: 'official', family, given: [given] }],
    identifier: [{ system: 'http://hl7.org/fhir/sid/us-ssn', value: p.ssn }], telecom: [{ system: 'phone', value: p.phone }],
    text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${p.name}, born ${p.birth}</div>` },
  };
}

const fhirJSON = 'application/fhir+json; charset=utf-8';
const outcome = (code, diagnostics) => ({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] });

/** functions are functions of the framework's request and response, by name. */
export const functions = {
  patient(request, response) {
    const id = segment(request)[0] ?? request.query.id;
    const found = people.get(String(id));
    if (found) response.json(found);
    else response.status(404).json({ error: { code: 404, message: `no patient ${id}` } });
  },
  fhir(request, response) {
    const [type, id] = segment(request);
    response.type(fhirJSON);
    if (type !== 'Patient') response.status(404).send(JSON.stringify(outcome('not-supported', `no resources ${type}`)));
    else if (request.method === 'POST') response.status(201).location(`Patient/${request.body?.id}`).send(JSON.stringify(request.body));
    else if (!id) response.send(JSON.stringify({ resourceType: 'Bundle', type: 'searchset', total: people.size, entry: [...people.keys()].map((k) => ({ resource: fhirPatient(k) })) }));
    else if (people.has(id)) response.send(JSON.stringify(fhirPatient(id)));
    else response.status(404).send(JSON.stringify(outcome('not-found', `no Patient ${id}`)));
  },
  text(request, response) {
    const lines = Math.min(Number(request.query.lines ?? 2), 10_000_000);
    response.type('text/plain; charset=utf-8');
    let at = 0;
    const more = () => {
      for (; at < lines; at++) if (!response.write(at % 2 ? 'SSN 219-09-9992 checked, mail bo.sample@example.org.\n' : 'Called Ada Example at 212-555-0143 about the refill.\n')) { at++; response.once('drain', more); return; }
      response.end();
    };
    more();
  },
  async events(request, response) {
    const n = Math.min(Number(request.query.n ?? 3), 1000);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    for (let i = 1; i <= n && !response.destroyed; i++) {
      response.write(`id: ${i}\nevent: result\ndata: {"mrn":1001,"name":"Ada Example",\ndata: "value":${i}}\n\n`);
      await setTimeout(Number(request.query.pause ?? 0));
    }
    response.end();
  },
  echo(request, response) {
    response.json({ method: request.method, path: request.url, headers: request.headers, body: request.rawBody?.toString('utf8') ?? '' });
  },
  redirect(request, response) { response.redirect(302, String(request.query.to ?? '/patient/1001')); },
  fail(request, response) {
    if (segment(request)[0] === 'json') response.status(422).json({ error: { code: 422, message: 'no insurance of Ada Example, SSN 219-09-9991', details: [{ phone: '212-555-0143' }] } });
    else if (segment(request)[0] === 'cut') { response.writeHead(200, { 'content-type': 'application/json' }); response.write('{"name":"Ada Exam', () => response.destroy()); } else throw new Error('no insurance of Ada Example, SSN 219-09-9991');
  },
};
