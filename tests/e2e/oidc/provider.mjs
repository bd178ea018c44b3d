// A real OpenID Connect server for the tests: npm's oidc-provider, told its keys by the tests.
//
//     node provider.mjs PORT < key sets
//
// Each line of its input is a set of private keys (RFC 7517). It signs with the first of them,
// publishes all, and prints its URL once it does. Viewers are clients that get a token for
// themselves (RFC 6749, section 4.4): an access token in JWT form (RFC 9068).
// Its version 8, because later ones need a Node newer than Debian's 18.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const url = `http://127.0.0.1:${port}`;
const AUDIENCE = "https://video.example";
const PLANS = { alice: "premium", bob: "basic" };

function provider(keys) {
  const { alg, kid } = keys[0];
  const video = {
    scope: "watch",
    audience: AUDIENCE,
    accessTokenFormat: "jwt",
    jwt: { sign: { alg, kid } },
  };
  return new Provider(url, {
    jwks: { keys },
    clientDefaults: { id_token_signed_response_alg: alg },
    clients: Object.keys(PLANS).map((viewer) => ({
      client_id: viewer,
      client_secret: `secret of ${viewer}`,
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => video,
      },
    },
    // What a real one has in a mapper or an action: the plan, under a name of its own.
    extraTokenClaims: (_, token) => ({ "https://video.example/plan": PLANS[token.clientId] }),
    cookies: { keys: ["unused: nobody logs in by a browser"] },
    ttl: { ClientCredentials: 600 },
  });
}

let answer;
const server = createServer((request, response) => answer(request, response));
for await (const line of createInterface({ input: process.stdin })) {
  answer = provider(JSON.parse(line)).callback();
  if (!server.listening) await new Promise((done) => server.listen(port, "127.0.0.1", done));
  console.log(url);
}
process.exit();
