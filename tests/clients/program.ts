// A day's work with the API by a client that is typed from the OpenAPI document: `node program.ts ORIGIN EMAIL PASSWORD`.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

type Ticket = components["schemas"]["TicketShape"];
type Problem = components["schemas"]["ProblemBody"];
type Priority = Ticket["priority"];

const [origin, email, password] = (globalThis as unknown as { process: { argv: string[] } }).process.argv.slice(2);
if (origin === undefined || email === undefined || password === undefined) throw new Error("ORIGIN EMAIL PASSWORD");
const client = createClient<paths>({ baseUrl: origin });

/** What was asked for, or the reason why it was refused. */
function demand<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) throw new Error(answer.error?.reason ?? "no body");
  return answer.data;
}

const session = demand(await client.POST("/api/v1/auth/login", { body: { email, password } }));
const headers = { Authorization: `${session.tokenType} ${session.accessToken}` };

const made = demand(
  await client.POST("/api/v1/tickets", { headers, body: { title: "Typed", description: "", priority: "high" } }),
);
const urgent: Priority[] = ["high", "critical"];
if (!urgent.includes(made.priority)) throw new Error(made.priority);

const path = { ticketId: made.id };
const comment = demand(
  await client.POST("/api/v1/tickets/{ticketId}/comments", {
    headers,
    params: { path },
    body: { content: "Hello", isInternal: false },
  }),
);

const listed = demand(await client.GET("/api/v1/tickets", { headers, params: { query: { page: 1, limit: 5 } } }));
const tickets: Ticket[] = Array.isArray(listed) ? listed : listed.data;

const { data: detail, response } = await client.GET("/api/v1/tickets/{id}", {
  headers,
  params: { path: { id: made.id } },
});
if (detail?.comments[0]?.content !== comment.content) throw new Error("the comment is not there");

const tag = response.headers.get("ETag") ?? "";
const closed = demand(
  await client.PATCH("/api/v1/tickets/{id}", {
    headers,
    params: { path: { id: made.id }, header: { "If-Match": tag } },
    body: { status: "closed" },
  }),
);
const stale = await client.PATCH("/api/v1/tickets/{id}", {
  headers,
  params: { path: { id: made.id }, header: { "If-Match": tag } },
  body: { title: "Late" },
});
console.log([tickets.length > 0, closed.status, closed.resolution, stale.error?.reason].join(" "));
