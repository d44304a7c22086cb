// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// An issuer for tests on a free loopback port: oidc-provider with one client
// that gets JWT access tokens (RFC 9068) by client_credentials. It prints one
// line of JSON once it listens, and ends when its standard input does, so that
// it cannot outlive the test that started it.
//
// The token request may carry three parameters of our own: test_claims (JSON,
// merged into the token), test_alg (RS256 or ES256) and test_ttl (seconds).

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const url = `http://127.0.0.1:${server.address().port}`;

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  kid: `${alg}-${randomBytes(4).toString('hex')}`,
  use: 'sig',
  alg,
});

const clientId = 'ci';
const clientSecret = randomBytes(24).toString('hex');

const provider = new Provider(url, {
  clients: [{
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  cookies: { keys: [randomBytes(24).toString('hex')] },
  jwks: {
    keys: [
      key('rsa', { modulusLength: 2048 }, 'RS256'),
      key('ec', { namedCurve: 'P-256' }, 'ES256'),
    ],
  },
  extraTokenClaims: (ctx) => JSON.parse(ctx.oidc.body?.test_claims ?? '{}'),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, audience) => ({
        audience,
        scope: '',
        accessTokenFormat: 'jwt',
        accessTokenTTL: Number(ctx.oidc.body?.test_ttl ?? 600),
        jwt: { sign: { alg: ctx.oidc.body?.test_alg ?? 'RS256' } },
      }),
    },
  },
});

server.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({ url, client_id: clientId, client_secret: clientSecret })}\n`);
