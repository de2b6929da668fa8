<?php
// The story with php-amqplib.
require_once "/usr/share/php/PhpAmqpLib/autoload.php";

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

const Q = "story.php";

function connect()
{
    return new AMQPStreamConnection(getenv("AMQP_HOST"), (int) getenv("AMQP_PORT"), "guest", "guest", "/");
}

function refused($connection, $action)
{
    try {
        $action($connection->channel());
    } catch (AMQPProtocolChannelException $error) {
        return $error->amqp_reply_code;
    }
}

$connection = connect();
$channel = $connection->channel();
$channel->queue_delete(Q);
$channel->queue_declare(Q, false, true, false, false);
echo "declared\n";
$channel->confirm_select();
$confirmed = 0;
$channel->set_ack_handler(function () use (&$confirmed) { $confirmed++; });
for ($i = 0; $i < 10; $i++) {
    $channel->basic_publish(new AMQPMessage((string) $i, ["delivery_mode" => 2]), "", Q);
}
$channel->wait_for_pending_acks(10);
echo "confirmed $confirmed\n";
$got = $channel->basic_get(Q, true);
echo "got {$got->body} left {$got->getMessageCount()}\n";
$channel->basic_qos(0, 1, false);
$seen = 0;
$channel->basic_consume(Q, "c", false, false, false, false, function ($message) use (&$seen, $channel) {
    $seen++;
    if ($seen <= 2) {
        echo ($seen == 1 ? "first" : "second"), " delivery {$message->body} redelivered ", $message->isRedelivered() ? "true" : "false", "\n";
    }
    if ($seen == 1) {
        $message->nack(true);
    } elseif ($seen == 2) {
        $channel->basic_cancel("c");
        $message->ack();
    }
});
while ($seen < 2) {
    $channel->wait(null, false, 10);
}
$server = $connection->channel();
[$calls] = $server->queue_declare("", false, false, true, true);
$server->basic_consume($calls, "", false, true, false, false, function ($call) use ($server) {
    $server->basic_publish(new AMQPMessage("answer to " . $call->body), "", $call->get("reply_to"));
});
$client = $connection->channel();
$answer = null;
$client->basic_consume("amq.rabbitmq.reply-to", "", false, true, false, false, function ($message) use (&$answer) { $answer = $message->body; });
$client->basic_publish(new AMQPMessage("question", ["reply_to" => "amq.rabbitmq.reply-to"]), "", $calls);
$server->wait(null, false, 10);
$client->wait(null, false, 10);
echo "rpc: $answer\n";
echo "missing queue: ", refused($connection, fn ($c) => $c->queue_declare("story.nothing", true)), "\n";
echo "other arguments: ", refused($connection, fn ($c) => $c->queue_declare(Q, false, true, false, false, false, new AMQPTable(["x-max-length" => 5]))), "\n";
$returned = null;
$channel->set_return_listener(function ($code) use (&$returned) { $returned = $code; });
$channel->basic_publish(new AMQPMessage("x"), "", "story.nothing", true);
$channel->wait_for_pending_acks_returns(10);
echo "returned: $returned\n";
$connection->close();
$connection = connect();
$channel = $connection->channel();
[, $count] = $channel->queue_declare(Q, true);
echo "after an error and a new connection: $count\n";
echo "deleted ", $channel->queue_delete(Q), "\n";
$connection->close();
