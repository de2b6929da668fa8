# The image of the server and of every worker: one executable, `baton`.
#   EXECUTABLE=compiled (default)  compiles it here
#   EXECUTABLE=given               takes build/image/baton, which is there already; needs BuildKit, which then skips
#                                  the compiler's stage
ARG EXECUTABLE=compiled

FROM debian:bookworm-slim AS compiled
WORKDIR /src
COPY scripts/setup scripts/packages.txt scripts/
RUN scripts/setup build && rm -rf /var/lib/apt/lists/*
# What it is made of, and nothing else: a workflow or a text that was edited compiles nothing.
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY base base
COPY net net
COPY amqp amqp
COPY contract contract
COPY broker broker
COPY orchestrator orchestrator
COPY db db
COPY workers workers
COPY sandbox sandbox
COPY ui ui
COPY web web
COPY server server
COPY cli cli
RUN cmake --workflow --preset release && llvm-strip-19 -o /baton build/release/baton

FROM debian:bookworm-slim AS given
COPY build/image/baton /baton

FROM ${EXECUTABLE} AS executable

FROM debian:bookworm-slim
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates \
       libboost-container1.81.0 libboost-json1.81.0 libboost-url1.81.0 libpqxx-6.4 libmariadb3 libsqlite3-0 libcurl4 libssl3 \
       libre2-9 libfmt9 libspdlog1.10 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && useradd --system --uid 10001 --home-dir /var/lib/baton --no-create-home baton \
    && install -d -o baton -g baton -m 700 /var/lib/baton /var/backups/baton
COPY --from=executable /baton /usr/local/bin/baton
COPY deploy/worker /usr/local/bin/worker
COPY workflows /usr/share/baton/workflows
# A library that the list above forgets, and a version that was not raised with CMakeLists.txt, are found here, not
# when the first container starts.
ARG VERSION=0.1.0
RUN test "$(baton --version)" = "baton $VERSION"
LABEL org.opencontainers.image.title="baton" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
USER baton
ENV BATON_DATA=/var/lib/baton
EXPOSE 5672 15672
# Asks /api/health of BATON_URL, http://127.0.0.1:15672 unless said.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=5 CMD ["baton", "await", "--timeout", "2s"]
ENTRYPOINT ["baton"]
CMD ["serve"]
