// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package config reads the gateway's one configuration file: strict YAML into
// one documented struct.
//
// Every problem of a file is reported, each with its line: ten mistakes give ten
// problems, of every sort at once (unknown and repeated keys, values of the
// wrong form, values that make no sense together). A secret never stands in the
// file, only a reference to one, so that a parsed configuration may be printed.
// docs/reference/config.md describes every key; a test keeps it whole.
package config

import (
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// Version is the version of the file's format that this package reads.
const Version = 1

// Config is the configuration of one gateway. A value from [Parse] or [Load] is
// valid and has its defaults filled in and its paths made absolute or relative
// to the working directory.
type Config struct {
	// Version of the format; must be [Version].
	Version int `yaml:"version"`
	// Data is the directory of the ledger, the recordings, the store and the keys.
	Data Path `yaml:"data"`
	// Origin is the ledger's name in its checkpoints (C2SP tlog-checkpoint), such
	// as "sallyport.example/gw1". It cannot change over a ledger's life.
	Origin string `yaml:"origin"`
	// Listen says where clients connect.
	Listen Listen `yaml:"listen"`
	// Ledger says who signs the ledger and where its head lies.
	Ledger Ledger `yaml:"ledger"`
	// Auditors are the age recipients that exact statement texts are sealed to.
	Auditors []string `yaml:"auditors"`
	// Identity says whom the gateway believes about identities.
	Identity identity.Config `yaml:"identity"`
	// Policy says which policies decide.
	Policy Policy `yaml:"policy"`
	// API says who may do what over the HTTP API beyond their own affairs.
	API API `yaml:"api"`
	// Roles says who may ask for or hold a role.
	Roles []Role `yaml:"roles"`
	// Identities says who answers for machine identities.
	Identities []Identity `yaml:"identities"`
	// Requests bounds requests for grants and holds.
	Requests Requests `yaml:"requests"`
	// Resources are the targets.
	Resources []Resource `yaml:"resources"`
	// Recording bounds what a recording keeps.
	Recording Recording `yaml:"recording"`
	// Shipping names the receivers of the ledger's events.
	Shipping []Destination `yaml:"shipping"`
	// Disclosures says how patients are blinded in the record of whose rows answers
	// are made of.
	Disclosures Disclosures `yaml:"disclosures"`
	// Retention says how long what sessions seal is kept.
	Retention Retention `yaml:"retention"`
	// Vault says how stored credentials and keys are protected.
	Vault Vault `yaml:"vault"`
	// Witness says who has to cosign the ledger's checkpoints.
	Witness Witness `yaml:"witness"`
	// Log governs the operator's log.
	Log Log `yaml:"log"`
}

func (c *Config) setDefaults() {
	c.Data = "data"
	c.Listen.API.Address = "127.0.0.1:8443"
	c.Listen.Postgres.Address = "127.0.0.1:6432"
	c.Listen.HTTP.Address = "127.0.0.1:8480"
	c.Listen.SSH.Address = "127.0.0.1:8422"
	c.Policy.Reload = 5 * time.Second
	c.Requests = Requests{
		Wait: 20 * time.Second, Expires: time.Hour, Window: time.Hour,
		HoldWait: time.Minute, HoldWaitInTransaction: 5 * time.Second,
	}
	c.Recording.MaxResponse = 1 << 20
	c.Witness = Witness{Lease: time.Minute, Interval: 10 * time.Second, Timeout: 5 * time.Second}
	c.Retention.Sweep = 24 * time.Hour
	c.Log = Log{Level: "info", Format: "text"}
}

// Listen holds the addresses that clients connect to.
type Listen struct {
	// API serves requests, approvals, tokens and the rest of the command line.
	API Listener `yaml:"api"`
	// Postgres serves PostgreSQL's protocol. It is opened where there is a resource for it.
	Postgres Listener `yaml:"postgres"`
	// HTTP serves resources that speak HTTP. It is opened where there is one, and
	// its certificate is that of api where it has none of its own.
	HTTP Listener `yaml:"http"`
	// Connect answers CONNECT for resources that have connect set. It is off without
	// an address, and may do without TLS on the loopback.
	Connect Listener `yaml:"connect"`
	// SSH serves resources that speak SSH. It is opened where there is one.
	SSH PlainListener `yaml:"ssh"`
}

// PlainListener is an address whose protocol encrypts by itself.
type PlainListener struct {
	// Address is host:port; the host is never left out.
	Address string `yaml:"address"`
}

// Listener is one address and its certificate.
type Listener struct {
	// Address is host:port; the host is never left out.
	Address string `yaml:"address"`
	// TLS is not optional: clients send tokens.
	TLS KeyPair `yaml:"tls"`
}

// KeyPair names a certificate chain and its private key, both in PEM.
type KeyPair struct {
	Cert Path `yaml:"cert"`
	Key  Path `yaml:"key"`
}

// Policy names the Cedar policies.
type Policy struct {
	// Files are patterns as of path/filepath.Match.
	Files []Path `yaml:"files"`
	// Reload is the time between looks for changed files; 0 reads them once.
	Reload time.Duration `yaml:"reload"`
}

// API names who may look at and steer what is not their own; each list holds
// "group:NAME" or "principal:ID".
type API struct {
	// Auditors may list and replay every session and export evidence.
	Auditors []string `yaml:"auditors"`
	// Administrators may revoke grants and end sessions.
	Administrators []string `yaml:"administrators"`
	// Privacy may ask which statements a patient is in, as auditors may.
	Privacy []string `yaml:"privacy"`
}

// Role says who may ask for or hold a role, and where.
type Role struct {
	Name sallyport.RoleID `yaml:"name"`
	// Resources are names of resources.
	Resources []sallyport.ResourceID `yaml:"resources"`
	// Members are "group:NAME" or "principal:ID".
	Members []string `yaml:"members"`
}

// Requests bounds how long things wait for a human.
type Requests struct {
	// Wait is how long a connection waits for the grant it asked for.
	Wait time.Duration `yaml:"wait"`
	// Expires is the life of an undecided request.
	Expires time.Duration `yaml:"expires"`
	// Window is the length of the grant that a request asks for when it names
	// none; a rule's @max can make it shorter.
	Window time.Duration `yaml:"window"`
	// HoldWait is how long a held statement waits inside its session, and
	// HoldWaitInTransaction the same in an open transaction, whose locks others
	// wait for.
	HoldWait              time.Duration `yaml:"hold_wait"`
	HoldWaitInTransaction time.Duration `yaml:"hold_wait_in_transaction"`
}

// ResourceType names the connector that speaks to a target.
type ResourceType string

// The types of resources.
const (
	Postgres     ResourceType = "postgres"
	HTTPAPI      ResourceType = "http"
	CloudStorage ResourceType = "gcs"
	Warehouse    ResourceType = "bigquery"
	Cluster      ResourceType = "kubernetes"
	Machine      ResourceType = "ssh"
)

// Resource is one target.
type Resource struct {
	Name sallyport.ResourceID `yaml:"name"`
	Type ResourceType         `yaml:"type"`
	// Address is the target's host:port.
	Address string `yaml:"address"`
	// Database is the target's database.
	Database string `yaml:"database"`
	// TLS towards the target.
	TLS UpstreamTLS `yaml:"tls"`
	// Credential is what the gateway logs in to the target with.
	Credential Credential `yaml:"credential"`
	// HTTP is where the API is, of a resource of type "http".
	HTTP *HTTP `yaml:"http"`
	// GCS is what its buckets hold, of a resource of type "gcs".
	GCS *GCS `yaml:"gcs"`
	// BigQuery is where its project is, of a resource of type "bigquery".
	BigQuery *BigQuery `yaml:"bigquery"`
	// Kubernetes is where the cluster is, of a resource of type "kubernetes".
	Kubernetes *Kubernetes `yaml:"kubernetes"`
	// SSH is who the target is and what may be run there, of a resource of type "ssh".
	SSH *SSH `yaml:"ssh"`
	// Analyser, when given, is a role without rights to data, for preflight
	// lineage.
	Analyser *Credential `yaml:"analyser"`
	// Lineage is where lineage comes from.
	Lineage LineageMode `yaml:"lineage"`
	// Intent is when a statement's intent must be durable.
	Intent IntentMode `yaml:"intent"`
	// Labels is the file of column labels; empty means that nothing is labelled
	// and therefore everything masked.
	Labels Path `yaml:"labels"`
	// Masking is the file of masking rules; empty means the profile need-to-know.
	Masking Path `yaml:"masking"`
	// Patients, when given, has whose rows are in an answer recorded.
	Patients *Patients `yaml:"patients"`
	// Connect lets the resource be reached by the hosts of its service, through
	// listen.connect.
	Connect bool `yaml:"connect"`
	// Hosts are further hosts that reach it so.
	Hosts []ConnectHost `yaml:"hosts"`
	// Limits of this resource's sessions.
	Limits Limits `yaml:"limits"`
	// Retention is the class of what its sessions seal; empty means "default".
	Retention string `yaml:"retention"`
}

// OverHTTP reports whether clients reach a resource at the listener for HTTP.
func (r Resource) OverHTTP() bool {
	return r.Type == HTTPAPI || r.Type == CloudStorage || r.Type == Warehouse || r.Type == Cluster
}

func (r *Resource) setDefaults() {
	r.TLS.Mode = VerifyFull
	r.Lineage = LineageAuto
	r.Intent = BeforeForward
	r.Limits = Limits{Sessions: 200, Idle: 30 * time.Minute, MaxSession: 12 * time.Hour, MaxMessage: 64 << 20}
}

// TLSMode says how the gateway connects to a target.
type TLSMode string

// The TLS modes.
const (
	// VerifyFull verifies the target's certificate and its name.
	VerifyFull TLSMode = "verify-full"
	// InsecurePlaintext does without TLS; only for targets on a loopback address.
	InsecurePlaintext TLSMode = "insecure-plaintext"
)

// UpstreamTLS is the TLS towards a target.
type UpstreamTLS struct {
	Mode TLSMode `yaml:"mode"`
	// CA holds the authorities in PEM; empty means the system's.
	CA Path `yaml:"ca"`
	// ServerName is the name in the certificate; empty means the address's host.
	ServerName string `yaml:"server_name"`
}

// Credential is a login to a target. The password is a reference, never the
// password itself.
type Credential struct {
	Username string    `yaml:"username"`
	Password SecretRef `yaml:"password"`
}

// LineageMode says where lineage comes from.
type LineageMode string

// The lineage modes.
const (
	// LineageAuto takes in-band where the target is verified to allow it, else
	// preflight.
	LineageAuto LineageMode = "auto"
	// LineageInBand reads the query tree on the session's own connection.
	LineageInBand LineageMode = "in-band"
	// LineagePreflight asks on the analyser's connection.
	LineagePreflight LineageMode = "preflight"
)

// IntentMode says when a statement's intent must be durable.
type IntentMode string

// The intent modes.
const (
	// BeforeForward: before the statement reaches the target.
	BeforeForward IntentMode = "before-forward"
	// BeforeRelease: for statements proven read-only, before the first byte of the
	// answer leaves.
	BeforeRelease IntentMode = "before-release"
)

// Limits bounds the sessions of one resource.
type Limits struct {
	// Sessions at once.
	Sessions int `yaml:"sessions"`
	// Idle is the longest silence of a client; 0 sets no limit.
	Idle time.Duration `yaml:"idle"`
	// MaxSession is the longest session.
	MaxSession time.Duration `yaml:"max_session"`
	// MaxMessage is the largest protocol message.
	MaxMessage Bytes `yaml:"max_message"`
}

// Recording bounds what a recording keeps.
type Recording struct {
	// MaxResponse is how much of one statement's masked answer is kept; what is
	// left out is counted in the recording.
	MaxResponse Bytes `yaml:"max_response"`
}

// Vault says how stored credentials and data keys are protected.
type Vault struct {
	// Key refers to the master key: "file:", "env:" or the URI of a key in a KMS.
	Key MasterRef `yaml:"key"`
}

// Witness says who has to cosign the ledger's checkpoints, and how old the newest
// cosigned one may be while statements are forwarded.
type Witness struct {
	// Policy is a file of C2SP tlog-policy. Empty, or a policy with the quorum
	// none, demands no witnesses.
	Policy Path `yaml:"policy"`
	// Lease is the age from which on nothing is forwarded.
	Lease time.Duration `yaml:"lease"`
	// Interval is the longest time between two rounds of asking.
	Interval time.Duration `yaml:"interval"`
	// Timeout is how long the witnesses have to answer.
	Timeout time.Duration `yaml:"timeout"`
	// CA holds the authorities of the witnesses' certificates in PEM; empty means
	// the system's.
	CA Path `yaml:"ca"`
}

// Log governs the operator's log, which never holds a statement's values.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is text or json.
	Format string `yaml:"format"`
}
