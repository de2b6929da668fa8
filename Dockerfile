# The image of the server and of every worker: one executable, `baton`.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY scripts/setup scripts/packages.txt scripts/
RUN scripts/setup build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --workflow --preset release

FROM debian:bookworm-slim
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates curl \
       libboost-container1.81.0 libboost-json1.81.0 libboost-url1.81.0 libpqxx-6.4 libsqlite3-0 libcurl4 libssl3 \
       libre2-9 libfmt9 libspdlog1.10 libtomlplusplus3 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/baton --create-home baton
COPY --from=build /src/build/release/baton /usr/local/bin/baton
# A library that the list above forgets is found here, not when the first container starts.
RUN baton --version
COPY workflows /usr/share/baton/workflows
USER baton
ENV BATON_DATA=/var/lib/baton
EXPOSE 5672 15672
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=5 \
    CMD curl -fsS http://127.0.0.1:15672/api/health || exit 1
ENTRYPOINT ["baton"]
CMD ["serve"]
