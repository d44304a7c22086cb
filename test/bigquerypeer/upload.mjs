// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Load jobs whose data comes with them: multipart/related in one request, or
// resumable, the description first and then the data in pieces.
import { randomUUID } from 'node:crypto';
import { ApiError, invalid, notFound } from './errors.mjs';
import { insertJob } from './jobs.mjs';

const sessions = new Map();

/** upload serves /upload/bigquery/v2/projects/P/jobs, also below /resumable. */
export async function upload({ world, verb, path, url, root, headers, raw, identity, entry }) {
  const at = path.indexOf('upload');
  const [, service, version, projects, project, jobs, ...more] = path.slice(at);
  if (service !== 'bigquery' || version !== 'v2' || projects !== 'projects' || jobs !== 'jobs' || more.length) throw notFound('path', path.join('/'));
  entry.method_id = 'bigquery.jobs.insert';
  const kind = url.searchParams.get('uploadType');
  if (kind === 'multipart' && verb === 'POST') {
    const [description, data] = parts(raw, headers['content-type']);
    return finish(world, project, description, data, identity);
  }
  if (kind !== 'resumable') throw invalid('Unsupported upload type');
  const id = url.searchParams.get('upload_id');
  if (!id) {
    if (verb !== 'POST') throw invalid('A resumable upload starts with POST');
    const made = randomUUID();
    sessions.set(made, { project, identity, description: raw, pieces: [] });
    return { raw_: true, status_: 200, headers: { location: `${root}${url.pathname}?uploadType=resumable&upload_id=${made}`, 'x-guploader-uploadid': made, 'content-length': '0' } };
  }
  const session = sessions.get(id);
  if (!session || session.identity !== identity || session.project !== project) throw notFound('Upload', id);
  const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  const have = session.pieces.reduce((n, p) => n + p.length, 0);
  if (range?.[1] !== undefined && Number(range[1]) !== have) throw new ApiError(400, 'invalid', 'The piece does not continue the upload');
  session.pieces.push(raw);
  const total = have + raw.length;
  if (range && (range[3] === '*' || Number(range[3]) > total)) {
    return { raw_: true, status_: 308, headers: { ...(total && { range: `bytes=0-${total - 1}` }), 'content-length': '0' } };
  }
  sessions.delete(id);
  return finish(world, project, session.description, Buffer.concat(session.pieces), identity);
}

async function finish(world, project, description, data, identity) {
  let body;
  try {
    body = JSON.parse(description);
  } catch {
    throw new ApiError(400, 'parseError', 'Parse Error');
  }
  return (await insertJob(world, project, body, identity, data)).resource();
}

function parts(raw, type) {
  const boundary = /^multipart\/related;.*boundary="?([^";]+)"?/i.exec(type ?? '')?.[1];
  if (!boundary) throw invalid('A multipart upload needs a boundary');
  const mark = Buffer.from(`--${boundary}`);
  const found = [];
  for (let i = raw.indexOf(mark); i >= 0;) {
    const end = raw.indexOf(mark, i + mark.length);
    if (end < 0) break;
    const part = raw.subarray(i + mark.length, end);
    const gap = /\r?\n\r?\n/.exec(part.toString('latin1'));
    if (!gap) throw invalid('A part of the upload has no end of its headers');
    found.push(part.subarray(gap.index + gap[0].length, part.length - (part.at(-2) === 13 ? 2 : 1)));
    i = end;
  }
  if (found.length !== 2) throw invalid('A multipart upload has two parts');
  return found;
}
