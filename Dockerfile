# Compiles in one stage; runs without a compiler, as a user without rights, and writes to /data only:
#   docker build -t gatepool .
#   docker run --read-only -v gatepool:/data -v ./gatepool.yaml:/etc/gatepool/gatepool.yaml:ro -p 8080:8080 gatepool
# Inside, listeners of the configuration need 0.0.0.0 instead of 127.0.0.1; an admin.listen on another port than 9900 needs GATEPOOL_URL.

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production \
    GATEPOOL_STORE_PATH=/data/gatepool.db
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE ./
COPY src/cli/gatepool.js src/cli/gatepool.js
RUN install -d -o node -g node /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["node", "/app/src/cli/gatepool.js", "health"]
ENTRYPOINT ["node", "/app/src/cli/gatepool.js"]
CMD ["run", "-c", "/etc/gatepool/gatepool.yaml"]
