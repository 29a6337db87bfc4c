// Sends one heartbeat in each mode with the official Go SDK; prints the status of each answer.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/uuid"
)

type answer struct {
	ID     string `json:"id"`
	Status int    `json:"status"`
	Said   string `json:"said"`
}

func main() {
	url, key, subject, service := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	at, err := time.Parse(time.RFC3339Nano, os.Args[5])
	if err != nil {
		log.Fatal(err)
	}
	client, err := cloudevents.NewClientHTTP(
		cloudevents.WithTarget(url), cehttp.WithHeader("authorization", "Bearer "+key),
	)
	if err != nil {
		log.Fatal(err)
	}
	answers := map[string]answer{}
	for mode, force := range map[string]func(context.Context) context.Context{
		"binary": cloudevents.WithEncodingBinary, "structured": cloudevents.WithEncodingStructured,
	} {
		event := cloudevents.NewEvent()
		event.SetID(uuid.NewString())
		event.SetType("vicino.heartbeat.received.v1")
		event.SetSource("/go")
		event.SetSubject(subject)
		event.SetTime(at.Add(123456789 * time.Nanosecond))
		if err := event.SetData(cloudevents.ApplicationJSON, map[string]string{"service_id": service}); err != nil {
			log.Fatal(err)
		}
		result := client.Send(force(context.Background()), event)
		found := answer{ID: event.ID(), Said: result.Error()}
		var status *cehttp.Result
		if cloudevents.ResultAs(result, &status) {
			found.Status = status.StatusCode
		}
		answers[mode] = found
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
