/* A complete Baton worker in C with librabbitmq. Every task is performed by a child process, so that this
 * one is always there to answer the broker; it also ends a child whose time is up, and outlives one that
 * crashes.
 *
 *     apt-get install gcc librabbitmq-dev libcjson-dev
 *     cc -o worker worker.c -lrabbitmq -lcjson
 *     BATON_AMQP=amqp://guest:guest@127.0.0.1:5672/ ./worker hello.greet
 *
 * With a command behind the task's type, the command performs the tasks (examples/shell):
 *
 *     ./worker hello.greet ./greet.sh
 *
 * Whoever performs a task reads its parameters as JSON from standard input, its headers from the
 * environment (baton-idempotency-key is BATON_IDEMPOTENCY_KEY) and writes the result as JSON to standard
 * output. Exit status 0: completed. 65: the parameters are wrong, do not try again. Any other: try again,
 * and what was written is the reason. */
#define _GNU_SOURCE
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <cjson/cJSON.h>

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { task_channel = 1, report_channel = 2, status_invalid = 65, output_max = 1 << 20 };

static const char *task_type;
static char **command; /* NULL: greet() below */

/* --- your code: parameters in, result out ---------------------------------------------------------- */

/* It looks by BATON_IDEMPOTENCY_KEY whether the work is done. */
static int greet(const cJSON *parameters) {
  const cJSON *name = cJSON_GetObjectItemCaseSensitive(parameters, "name");
  const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(parameters, "seconds");
  if (!cJSON_IsString(name)) {
    printf("'name' is missing");
    return status_invalid;
  }
  if (cJSON_IsNumber(seconds)) usleep((useconds_t)(seconds->valuedouble * 1e6));
  char *text = NULL;
  if (asprintf(&text, "Hello, %s", name->valuestring) < 0) return 1;
  cJSON *result = cJSON_CreateObject();
  cJSON_AddStringToObject(result, "text", text);
  cJSON_AddStringToObject(result, "run", getenv("BATON_RUN") ? getenv("BATON_RUN") : "");
  cJSON_AddStringToObject(result, "key", getenv("BATON_IDEMPOTENCY_KEY") ? getenv("BATON_IDEMPOTENCY_KEY") : "");
  char *json = cJSON_PrintUnformatted(result);
  fputs(json, stdout);
  cJSON_free(json);
  cJSON_Delete(result);
  free(text);
  return 0;
}

/* --- small tools ----------------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const char *what, const char *why) {
  printf("%s%s%s\n", what, why ? ": " : "", why ? why : "");
  fflush(stdout);
}

/* Headers come as whatever number type the sender chose. */
static int64_t number_of(const amqp_field_value_t *value) {
  switch (value->kind) {
  case AMQP_FIELD_KIND_I64: return value->value.i64;
  case AMQP_FIELD_KIND_I32: return value->value.i32;
  case AMQP_FIELD_KIND_I16: return value->value.i16;
  case AMQP_FIELD_KIND_I8: return value->value.i8;
  default: return 0;
  }
}

static const amqp_field_value_t *header(const amqp_table_t *headers, const char *name) {
  for (int i = 0; i < headers->num_entries; i++) {
    const amqp_bytes_t key = headers->entries[i].key;
    if (key.len == strlen(name) && memcmp(key.bytes, name, key.len) == 0) return &headers->entries[i].value;
  }
  return NULL;
}

static double header_seconds(const amqp_table_t *headers, const char *name) {
  const amqp_field_value_t *millis = header(headers, name);
  return millis ? (double)number_of(millis) / 1000 : 0;
}

/* baton-idempotency-key becomes BATON_IDEMPOTENCY_KEY. */
static void put_into_environment(const amqp_table_t *headers) {
  for (int i = 0; i < headers->num_entries; i++) {
    const amqp_table_entry_t *entry = &headers->entries[i];
    char name[128], number[32];
    size_t length = entry->key.len < sizeof name ? entry->key.len : sizeof name - 1;
    for (size_t c = 0; c < length; c++) {
      const char letter = ((char *)entry->key.bytes)[c];
      name[c] = letter == '-' ? '_' : (char)toupper((unsigned char)letter);
    }
    name[length] = '\0';
    /* Only these: what others send must not become PATH. */
    if (strncmp(name, "BATON_", 6) != 0) continue;
    if (entry->value.kind == AMQP_FIELD_KIND_UTF8) {
      char *text = strndup(entry->value.value.bytes.bytes, entry->value.value.bytes.len);
      setenv(name, text, 1);
      free(text);
    } else {
      snprintf(number, sizeof number, "%" PRId64, number_of(&entry->value));
      setenv(name, number, 1);
    }
  }
}

/* --- reports --------------------------------------------------------------------------------------- */

/* The prefetch is 1 and a task is held, so nothing comes but confirms and the broker's heartbeats. */
static int await_confirm(amqp_connection_state_t connection) {
  const double end = now() + 30;
  while (now() < end) {
    struct timeval pause = {1, 0};
    amqp_frame_t frame;
    const int result = amqp_simple_wait_frame_noblock(connection, &frame, &pause);
    if (result == AMQP_STATUS_TIMEOUT) continue;
    if (result != AMQP_STATUS_OK) return -1;
    if (frame.frame_type == AMQP_FRAME_METHOD)
      return frame.channel == report_channel && frame.payload.method.id == AMQP_BASIC_ACK_METHOD ? 0 : -1;
  }
  return -1;
}

/* Returns 0 once the broker has it for good. */
static int report(amqp_connection_state_t connection, const amqp_basic_properties_t *task, const char *kind,
                  const char *body) {
  if (!(task->_flags & AMQP_BASIC_REPLY_TO_FLAG)) return 0;
  amqp_basic_properties_t about = {0};
  about._flags = AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                 (task->_flags & AMQP_BASIC_CORRELATION_ID_FLAG);
  about.type = amqp_cstring_bytes(kind);
  about.content_type = amqp_cstring_bytes("application/json");
  about.delivery_mode = 2;
  about.correlation_id = task->correlation_id;
  if (amqp_basic_publish(connection, report_channel, amqp_empty_bytes, task->reply_to, 0, 0, &about,
                         amqp_cstring_bytes(body)) != AMQP_STATUS_OK)
    return -1;
  return await_confirm(connection);
}

/* --- one task -------------------------------------------------------------------------------------- */

struct child {
  pid_t pid;
  int output; /* what it writes, to be read without waiting */
};

static struct child start_child(const amqp_message_t *message, int socket) {
  int out[2];
  FILE *input = tmpfile(); /* a pipe would be full for large parameters */
  if (!input || pipe2(out, O_CLOEXEC) != 0) {
    perror("worker");
    exit(1);
  }
  fwrite(message->body.bytes, 1, message->body.len, input);
  rewind(input);
  const pid_t pid = fork();
  if (pid == 0) {
    close(socket); /* the broker's connection belongs to the parent */
    if (message->properties._flags & AMQP_BASIC_HEADERS_FLAG) put_into_environment(&message->properties.headers);
    dup2(fileno(input), 0);
    dup2(out[1], 1);
    if (command) {
      execvp(command[0], command);
      printf("cannot run %s", command[0]);
      exit(127);
    }
    cJSON *parameters = message->body.len > 0 ? cJSON_ParseWithLength(message->body.bytes, message->body.len)
                                              : cJSON_CreateObject();
    int status = status_invalid;
    if (cJSON_IsObject(parameters))
      status = greet(parameters);
    else
      printf("the parameters are no JSON object");
    cJSON_Delete(parameters);
    exit(status);
  }
  fclose(input);
  close(out[1]);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  return (struct child){pid, out[0]};
}

/* Waits for the child and meanwhile serves the connection. Returns its wait status, or -1 if the connection
 * is lost: the broker then gives the task to somebody again, so the child is ended. */
static int attend(amqp_connection_state_t connection, const amqp_basic_properties_t *task, struct child child,
                  double heartbeat, double timeout, char *output) {
  const double began = now();
  double next_beat = heartbeat > 0 ? began + heartbeat / 3 : 0;
  size_t length = 0;
  for (;;) {
    int status = 0;
    const int is_done = waitpid(child.pid, &status, WNOHANG) == child.pid;
    ssize_t got;
    while (length < output_max && (got = read(child.output, output + length, output_max - length)) > 0)
      length += (size_t)got;
    output[length] = '\0';
    if (is_done) {
      while (length > 0 && isspace((unsigned char)output[length - 1])) output[--length] = '\0';
      return status;
    }
    if (timeout > 0 && now() > began + timeout) kill(child.pid, SIGKILL);
    /* Waiting for a frame makes the library send its heartbeats. */
    struct timeval pause = {0, 50000};
    amqp_frame_t frame;
    const int result = amqp_simple_wait_frame_noblock(connection, &frame, &pause);
    int is_lost = result != AMQP_STATUS_OK && result != AMQP_STATUS_TIMEOUT;
    if (!is_lost && next_beat > 0 && now() > next_beat) {
      is_lost = report(connection, task, "heartbeat", "{}") != 0;
      next_beat = now() + heartbeat / 3;
    }
    if (is_lost) {
      kill(child.pid, SIGKILL);
      waitpid(child.pid, &status, 0);
      return -1;
    }
  }
}

/* Returns 0, or -1 if the connection is lost. */
static int perform(amqp_connection_state_t connection, const amqp_envelope_t *envelope) {
  static char output[output_max + 1];
  const amqp_basic_properties_t *task = &envelope->message.properties;
  static const amqp_table_t none = {0, NULL};
  const amqp_table_t *headers = task->_flags & AMQP_BASIC_HEADERS_FLAG ? &task->headers : &none;
  const double heartbeat = header_seconds(headers, "baton-heartbeat");
  const double timeout = header_seconds(headers, "baton-timeout");
  char me[64];
  snprintf(me, sizeof me, "{\"worker\":\"c:%d\"}", getpid());
  if (header(headers, "baton-run") && report(connection, task, "started", me) != 0) return -1;

  const struct child child = start_child(&envelope->message, amqp_get_sockfd(connection));
  const int status = attend(connection, task, child, heartbeat, timeout, output);
  close(child.output);
  if (status == -1) return -1;

  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    if (report(connection, task, "completed", output) != 0) return -1;
  } else {
    const int is_invalid = WIFEXITED(status) && WEXITSTATUS(status) == status_invalid;
    cJSON *problem = cJSON_CreateObject();
    cJSON_AddStringToObject(problem, "type", is_invalid ? "invalid_input" : "error");
    cJSON_AddStringToObject(problem, "detail", WIFEXITED(status) ? output : strsignal(WTERMSIG(status)));
    cJSON_AddBoolToObject(problem, "retryable", !is_invalid);
    char *json = cJSON_PrintUnformatted(problem);
    const int reported = report(connection, task, "failed", json);
    cJSON_free(json);
    cJSON_Delete(problem);
    if (reported != 0) return -1;
  }
  /* Only now: a crash before gives the task again, and one that is busy is given no other task. */
  amqp_basic_ack(connection, task_channel, envelope->delivery_tag, 0);
  return 0;
}

/* --- the connection -------------------------------------------------------------------------------- */

static const char *refusal(amqp_rpc_reply_t reply) {
  static char text[300];
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) return amqp_error_string2(reply.library_error);
  const amqp_bytes_t said = reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD
                                ? ((amqp_channel_close_t *)reply.reply.decoded)->reply_text
                                : ((amqp_connection_close_t *)reply.reply.decoded)->reply_text;
  snprintf(text, sizeof text, "%.*s", (int)said.len, (char *)said.bytes);
  return text;
}

#define TRY(what, call)                                                                  \
  do {                                                                                   \
    call;                                                                                \
    const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);                       \
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) return say(what, refusal(reply));      \
  } while (0)

static void consume(amqp_connection_state_t connection, const struct amqp_connection_info *at, int heartbeat) {
  char queue[256];
  snprintf(queue, sizeof queue, "baton.task.%s", task_type);
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  const int opened = amqp_socket_open(socket, at->host, at->port);
  if (opened != AMQP_STATUS_OK) return say("connecting again", amqp_error_string2(opened));
  const char *vhost = *at->vhost ? at->vhost : "/";
  const amqp_rpc_reply_t login =
      amqp_login(connection, vhost, 0, 131072, heartbeat, AMQP_SASL_METHOD_PLAIN, at->user, at->password);
  if (login.reply_type != AMQP_RESPONSE_NORMAL) return say("connecting again", refusal(login));
  TRY("connecting again", amqp_channel_open(connection, report_channel));
  TRY("connecting again", amqp_confirm_select(connection, report_channel));
  TRY("connecting again", amqp_channel_open(connection, task_channel));
  TRY("connecting again", amqp_basic_qos(connection, task_channel, 0, 1, 0));
  /* Passive: deploying a workflow makes it. */
  TRY("waiting", amqp_queue_declare(connection, task_channel, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table));
  TRY("waiting", amqp_basic_consume(connection, task_channel, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0,
                                    amqp_empty_table));
  say("ready", NULL);
  for (;;) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    const amqp_rpc_reply_t got = amqp_consume_message(connection, &envelope, NULL, 0);
    if (got.reply_type != AMQP_RESPONSE_NORMAL) return say("connecting again", refusal(got));
    const int result = perform(connection, &envelope);
    amqp_destroy_envelope(&envelope);
    if (result != 0) return say("connecting again", "the connection was lost");
  }
}

int main(int argc, char **argv) {
  task_type = argc > 1 ? argv[1] : "hello.greet";
  command = argc > 2 ? argv + 2 : NULL;
  const char *given = getenv("BATON_AMQP");
  struct amqp_connection_info at;
  char *url = strdup(given ? given : "amqp://guest:guest@127.0.0.1:5672/");
  char *query = strchr(url, '?'); /* "?heartbeat=20", which the library does not know */
  const int heartbeat = query && strncmp(query, "?heartbeat=", 11) == 0 ? atoi(query + 11) : 60;
  if (query) *query = '\0';
  if (amqp_parse_url(url, &at) != AMQP_STATUS_OK) {
    fprintf(stderr, "BATON_AMQP is no AMQP URL: %s\n", given);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  for (;;) {
    amqp_connection_state_t connection = amqp_new_connection();
    consume(connection, &at, heartbeat);
    amqp_destroy_connection(connection);
    sleep(1);
  }
}
