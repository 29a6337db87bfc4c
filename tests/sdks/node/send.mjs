// Sends one heartbeat in each mode with the official JavaScript SDK; prints the status of each answer.
import { CloudEvent, HTTP } from "cloudevents";

const [url, key, subject, serviceId, time] = process.argv.slice(2);
const answers = {};
for (const mode of ["binary", "structured"]) {
  const event = new CloudEvent({
    type: "vicino.heartbeat.received.v1", source: "/javascript", subject, time,
    datacontenttype: "application/json", data: { service_id: serviceId },
  });
  const { headers, body } = HTTP[mode](event);
  const answer = await fetch(url, { method: "POST", body, headers: { ...headers, authorization: `Bearer ${key}` } });
  answers[mode] = { id: event.id, status: answer.status, said: await answer.text() };
}
console.log(JSON.stringify(answers));
