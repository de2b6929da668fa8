// The story with amqp091-go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const q = "story.go"

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func refused(connection *amqp.Connection, action func(*amqp.Channel) error) int {
	channel, err := connection.Channel()
	must(err)
	if refusal, ok := action(channel).(*amqp.Error); ok {
		return refusal.Code
	}
	return 0
}

func main() {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	must(err)
	channel, err := connection.Channel()
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = channel.QueueDelete(q, false, false, false)
	must(err)
	_, err = channel.QueueDeclare(q, true, false, false, false, nil)
	must(err)
	fmt.Println("declared")
	must(channel.Confirm(false))
	confirmed := 0
	for i := 0; i < 10; i++ {
		confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", q, false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(fmt.Sprint(i))})
		must(err)
		if confirm.Wait() {
			confirmed++
		}
	}
	fmt.Println("confirmed", confirmed)
	got, _, err := channel.Get(q, true)
	must(err)
	fmt.Println("got", string(got.Body), "left", got.MessageCount)
	must(channel.Qos(1, 0, false))
	deliveries, err := channel.Consume(q, "c", false, false, false, false, nil)
	must(err)
	delivery := <-deliveries
	fmt.Println("first delivery", string(delivery.Body), "redelivered", delivery.Redelivered)
	must(delivery.Nack(false, true))
	delivery = <-deliveries
	fmt.Println("second delivery", string(delivery.Body), "redelivered", delivery.Redelivered)
	must(channel.Cancel("c", false))
	must(delivery.Ack(false))

	server, err := connection.Channel()
	must(err)
	calls, err := server.QueueDeclare("", false, false, true, false, nil)
	must(err)
	asked, err := server.Consume(calls.Name, "", true, false, false, false, nil)
	must(err)
	go func() {
		for call := range asked {
			must(server.PublishWithContext(ctx, "", call.ReplyTo, false, false,
				amqp.Publishing{Body: append([]byte("answer to "), call.Body...)}))
		}
	}()
	client, err := connection.Channel()
	must(err)
	replies, err := client.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	must(err)
	must(client.PublishWithContext(ctx, "", calls.Name, false, false,
		amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", Body: []byte("question")}))
	fmt.Println("rpc:", string((<-replies).Body))

	fmt.Println("missing queue:", refused(connection, func(c *amqp.Channel) error {
		_, err := c.QueueDeclarePassive("story.nothing", false, false, false, false, nil)
		return err
	}))
	fmt.Println("other arguments:", refused(connection, func(c *amqp.Channel) error {
		_, err := c.QueueDeclare(q, true, false, false, false, amqp.Table{"x-max-length": int32(5)})
		return err
	}))
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	must(channel.PublishWithContext(ctx, "", "story.nothing", true, false, amqp.Publishing{Body: []byte("x")}))
	fmt.Println("returned:", (<-returns).ReplyCode)
	must(connection.Close())

	connection, err = amqp.Dial(os.Getenv("AMQP_URL"))
	must(err)
	channel, err = connection.Channel()
	must(err)
	queue, err := channel.QueueDeclarePassive(q, true, false, false, false, nil)
	must(err)
	fmt.Println("after an error and a new connection:", queue.Messages)
	deleted, err := channel.QueueDelete(q, false, false, false)
	must(err)
	fmt.Println("deleted", deleted)
	must(connection.Close())
}
