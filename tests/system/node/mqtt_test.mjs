// MQTT.js as devices and pages have it: over TCP and WebSocket, 3.1.1 and 5; a message of each QoS comes back.
import mqtt from "mqtt";

for (const url of process.argv.slice(2))
    for (const protocolVersion of [4, 5]) {
        const client = await mqtt.connectAsync(url, { protocolVersion, username: "guest", password: "guest", clientId: `js${protocolVersion}`,
            will: { topic: "js/will", payload: "gone", qos: 1 } });
        const seen = [];
        const all = new Promise((resolve) => client.on("message", (topic, payload, packet) => {
            seen.push(`${topic} ${payload.length} ${packet.qos}`);
            if (seen.length === 3) resolve();
        }));
        await client.subscribeAsync("js/+/x", { qos: 2 });
        for (const qos of [0, 1, 2]) await client.publishAsync(`js/${qos}/x`, "x".repeat(1 + 60_000 * qos), { qos });
        await all;
        if (seen.sort().join() !== "js/0/x 1 0,js/1/x 60001 1,js/2/x 120001 2") throw new Error(seen.join());
        await client.endAsync();
        console.log(url, protocolVersion, "ok");
    }
