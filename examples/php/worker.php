<?php
// A complete Baton worker in PHP with php-amqplib. PHP has one thread: an alarm interrupts the handler now
// and then and tells the broker, and whoever waits for the result, that we live.
//
//     apt-get install php-cli php-amqplib     (or: composer require php-amqplib/php-amqplib)
//     BATON_AMQP=amqp://guest:guest@127.0.0.1:5672/ php worker.php

require_once file_exists(__DIR__ . "/vendor/autoload.php") ? __DIR__ . "/vendor/autoload.php" : "/usr/share/php/PhpAmqpLib/autoload.php";

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;

// The caller's fault: the same parameters fail again.
class Invalid extends Exception {}

// Your code: parameters in, result out. It looks by baton-idempotency-key whether the work is done.
function greet(array $parameters, array $headers): array
{
    if (!isset($parameters["name"])) {
        throw new Invalid("'name' is missing");
    }
    $end = microtime(true) + ($parameters["seconds"] ?? 0);
    while (microtime(true) < $end) {
        usleep(100000); // an alarm ends a sleep early
    }
    return ["text" => "Hello, {$parameters['name']}", "run" => $headers["baton-run"] ?? null,
            "key" => $headers["baton-idempotency-key"] ?? null];
}

$tasks = [(getenv("BATON_TASK") ?: "hello.greet") => "greet"];
$me = ["worker" => "php@" . gethostname() . ":" . getmypid()];

function say(string $line): void
{
    echo $line, "\n";
}

function report($channel, AMQPMessage $task, string $kind, $content): void
{
    if (!$task->has("reply_to")) {
        return;
    }
    $about = ["type" => $kind, "content_type" => "application/json", "delivery_mode" => 2];
    if ($task->has("correlation_id")) {
        $about["correlation_id"] = $task->get("correlation_id");
    }
    $channel->basic_publish(new AMQPMessage(json_encode($content, JSON_THROW_ON_ERROR), $about), "", $task->get("reply_to"));
    $channel->wait_for_pending_acks(30); // the broker has it
}

function perform(callable $handler, AMQPMessage $task, array $headers): array
{
    try {
        return ["completed", $handler(json_decode($task->body ?: "{}", true, 512, JSON_THROW_ON_ERROR), $headers)];
    } catch (Invalid $wrong) {
        return ["failed", ["type" => "invalid_input", "detail" => $wrong->getMessage(), "retryable" => false]];
    } catch (Throwable $error) {
        return ["failed", ["type" => get_class($error), "detail" => $error->getMessage()]];
    }
}

function on_task(callable $handler, $connection, AMQPMessage $task): void
{
    global $me;
    $channel = $task->getChannel();
    $headers = $task->has("application_headers") ? $task->get("application_headers")->getNativeData() : [];
    $heartbeat = ($headers["baton-heartbeat"] ?? 0) / 1000;
    if (isset($headers["baton-run"])) {
        report($channel, $task, "started", $me);
    }
    // Alarms come by whole seconds: `timeout = { heartbeat = .. }` of tasks for PHP is 2 s or more.
    $every = max(1, (int) min(array_filter([$heartbeat / 3, $connection->getHeartbeat() / 2]) ?: [60]));
    $lost = null;
    pcntl_signal(SIGALRM, function () use ($channel, $connection, $task, $heartbeat, $every, &$lost) {
        try {
            $heartbeat > 0 ? report($channel, $task, "heartbeat", new stdClass()) : $connection->checkHeartBeat();
            pcntl_alarm($every);
        } catch (Throwable $error) {
            $lost = $error;
        }
    });
    pcntl_alarm($every);
    [$kind, $content] = perform($handler, $task, $headers);
    pcntl_alarm(0);
    if ($lost) {
        throw $lost;
    }
    report($channel, $task, $kind, $content);
    $task->ack(); // only now: a crash before gives the task again
}

function consume(array $tasks): void
{
    $url = parse_url(getenv("BATON_AMQP"));
    parse_str($url["query"] ?? "", $query);
    $vhost = rawurldecode(substr($url["path"] ?? "/", 1)) ?: "/";
    $connection = new AMQPStreamConnection($url["host"], $url["port"] ?? 5672, rawurldecode($url["user"] ?? "guest"),
        rawurldecode($url["pass"] ?? "guest"), $vhost, false, "AMQPLAIN", null, "en_US", 3.0, 130.0, null, true, (int) ($query["heartbeat"] ?? 60));
    $channel = $connection->channel();
    $channel->confirm_select();
    $channel->basic_qos(0, 1, false); // one thread, one task
    foreach ($tasks as $name => $handler) {
        $channel->queue_declare("baton.task.$name", true); // deploying a workflow makes it
        $channel->basic_consume("baton.task.$name", "", false, false, false, false,
            fn ($task) => on_task($handler, $connection, $task));
    }
    say("ready");
    while ($channel->is_consuming()) {
        try {
            $channel->wait(null, false, max(1, $connection->getHeartbeat() / 2));
        } catch (PhpAmqpLib\Exception\AMQPTimeoutException $quiet) {
            $connection->checkHeartBeat();
        }
    }
}

pcntl_async_signals(true);
while (true) {
    try {
        consume($tasks);
        say("connecting again: the queue is gone");
    } catch (AMQPProtocolChannelException $refused) {
        say(($refused->amqp_reply_code == 404 ? "waiting: " : "connecting again: ") . $refused->getMessage());
    } catch (Throwable $lost) {
        say("connecting again: " . $lost->getMessage());
    }
    sleep(1);
}
