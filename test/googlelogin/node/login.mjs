// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Prints the access token that application default credentials come to, as an
// object of JSON. With an argument, the ID token for that audience.
import { GoogleAuth } from 'google-auth-library';

const audience = process.argv[2];
const auth = new GoogleAuth({ scopes: ['https://www.googleapis.com/auth/cloud-platform'] });
let token;
if (audience) {
  const client = await auth.getIdTokenClient(audience);
  token = await client.idTokenProvider.fetchIdToken(audience);
} else {
  const client = await auth.getClient();
  ({ token } = await client.getAccessToken());
}
console.log(JSON.stringify({ token }));
