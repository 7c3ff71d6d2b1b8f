// One request for each contract and a check, ready to paste.
import { mint } from "./mint.mjs";

const EXAMPLES = [
  { title: "LoyaltyDog: ends the customer session that the body names", issuer: "loyaltydog", path: "/v2/giftcards/customers/logout", body: { sessionToken: "a-customer-session" } },
  { title: "Worth: ends the customer's token and session", issuer: "worth", path: "/auth/api/v1/customer/logout" },
  { title: "Marzipan: ends the account's token and session", issuer: "marzipan", path: "/v1/account/logout" },
  { title: "Commerce Engine POS: ends the device's session", issuer: "commerce-engine-pos", path: "/api/v1/development-store/storefront/pos/auth/logout" },
  { title: "Commerce Engine storefront: ends the session and answers an anonymous one", issuer: "commerce-engine-storefront", path: "/api/v1/development-store/storefront/auth/logout" },
];

/**
 * @param {string} origin
 * @returns {Promise<string>}
 */
export async function exampleRequests(origin) {
  const requests = EXAMPLES.map(async ({ title, issuer, path, body }) => {
    const json = body ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'` : "";
    return `# ${title}\ncurl -i -X POST ${origin}${path} -H 'Authorization: Bearer ${await mint(issuer)}'${json}\n`;
  });
  const check = `# Is a token good? 200, and 401 once it has been logged out\ncurl -i ${origin}/check -H 'Authorization: Bearer ${await mint("worth")}'\n`;
  return [...(await Promise.all(requests)), check].join("\n");
}
