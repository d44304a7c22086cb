-- Copyright The Sallyport Authors
-- SPDX-License-Identifier: Apache-2.0

-- Instants are microseconds since 1970 in UTC; doc columns hold the whole row
-- as JSON, and the columns beside them are what is searched.

CREATE TABLE requests (
    id        TEXT PRIMARY KEY,
    kind      TEXT NOT NULL,
    state     TEXT NOT NULL,
    principal TEXT NOT NULL,
    resource  TEXT NOT NULL,
    session   TEXT NOT NULL,
    approvers TEXT NOT NULL,
    same      TEXT NOT NULL,
    created   BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    doc       TEXT NOT NULL
);
-- The store's own guarantee that what is asked for twice is asked for once.
CREATE UNIQUE INDEX requests_same ON requests (same) WHERE state = 'open' AND same <> '';
CREATE INDEX requests_state ON requests (state, expires);
CREATE INDEX requests_created ON requests (created, id);
CREATE INDEX requests_principal ON requests (principal, state);

CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    principal  TEXT NOT NULL,
    resource   TEXT NOT NULL,
    role       TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    not_after  BIGINT NOT NULL,
    doc        TEXT NOT NULL
);
CREATE INDEX grants_state ON grants (state, not_after);
CREATE INDEX grants_principal ON grants (principal, resource, role, state);
CREATE INDEX grants_begin ON grants (not_before, id);

CREATE TABLE tokens (
    hash      TEXT PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    principal TEXT NOT NULL,
    grant_id  TEXT NOT NULL,
    not_after BIGINT NOT NULL,
    revoked   BIGINT NOT NULL, -- 0 while the token is good
    doc       TEXT NOT NULL
);
CREATE INDEX tokens_principal ON tokens (principal, not_after);
CREATE INDEX tokens_grant ON tokens (grant_id);
CREATE INDEX tokens_end ON tokens (not_after);

-- Small things by name: fetched key sets, remembered labels, the latest time.
CREATE TABLE items (
    space TEXT NOT NULL,
    name  TEXT NOT NULL,
    at    BIGINT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (space, name)
);

-- The index over the ledger.
CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    principal  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    resource   TEXT NOT NULL,
    protocol   TEXT NOT NULL,
    role       TEXT NOT NULL,
    grant_id   TEXT NOT NULL,
    client     TEXT NOT NULL,
    lineage    TEXT NOT NULL,
    policy     TEXT NOT NULL,
    opened     BIGINT NOT NULL,
    closed     BIGINT NOT NULL, -- 0 while it is open
    reason     TEXT NOT NULL,
    statements BIGINT NOT NULL,
    denials    BIGINT NOT NULL,
    masked     BIGINT NOT NULL,
    events     BIGINT NOT NULL,
    chunks     BIGINT NOT NULL,
    first_leaf BIGINT NOT NULL,
    last_leaf  BIGINT NOT NULL
);
CREATE INDEX sessions_first ON sessions (first_leaf);
CREATE INDEX sessions_principal ON sessions (principal, first_leaf);
CREATE INDEX sessions_resource ON sessions (resource, first_leaf);

CREATE TABLE statements (
    session   TEXT NOT NULL,
    stmt      BIGINT NOT NULL,
    principal TEXT NOT NULL,
    resource  TEXT NOT NULL,
    at        BIGINT NOT NULL,
    leaf      BIGINT NOT NULL,
    verdict   TEXT NOT NULL,
    phase     TEXT NOT NULL,
    class     TEXT NOT NULL,
    readable  TEXT NOT NULL,
    digest    TEXT NOT NULL,
    objects   TEXT NOT NULL, -- JSON
    effects   TEXT NOT NULL, -- JSON
    rules     TEXT NOT NULL, -- JSON
    policy    TEXT NOT NULL,
    grant_id  TEXT NOT NULL,
    request   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    status    TEXT NOT NULL,
    code      TEXT NOT NULL,
    tag       TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    bytes     BIGINT NOT NULL,
    micros    BIGINT NOT NULL,
    masked    BIGINT NOT NULL,
    PRIMARY KEY (session, stmt)
);
CREATE INDEX statements_leaf ON statements (leaf);
CREATE INDEX statements_principal ON statements (principal, leaf);

CREATE TABLE events (
    leaf      BIGINT PRIMARY KEY,
    type      TEXT NOT NULL,
    at        BIGINT NOT NULL,
    session   TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    principal TEXT NOT NULL,
    resource  TEXT NOT NULL,
    request   TEXT NOT NULL,
    grant_id  TEXT NOT NULL
);
CREATE INDEX events_session ON events (session, leaf) WHERE session <> '';
CREATE INDEX events_type ON events (type, leaf);
CREATE INDEX events_principal ON events (principal, leaf);
CREATE INDEX events_request ON events (request) WHERE request <> '';
