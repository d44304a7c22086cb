// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

const opDial = "postgres log-in"

// DialOptions say where a target is and as whom to log in.
type DialOptions struct {
	// Address is "host:port", or the absolute path of a Unix socket.
	Address  string
	Database string
	User     string
	Password string
	// TLS is required unless InsecurePlaintext applies, and always verifies the
	// server's chain and name: RootCAs as configured, ServerName the host of
	// Address when empty. Certificates in it are offered to the target.
	TLS *tls.Config
	// InsecurePlaintext allows to go without TLS over a Unix socket or to a
	// loopback address, and nowhere else. It counts only when TLS is nil.
	InsecurePlaintext bool
	// RuntimeParams are settings of the target's session, set at its start.
	RuntimeParams map[string]string
	// Application is the application_name that the target sees.
	Application string
}

// Upstream is a connection that is logged in to a target and idle.
type Upstream struct {
	// Conn is the TLS connection, or the plain one. It was read up to and
	// including the ReadyForQuery of the log-in and not one byte further.
	Conn net.Conn
	// Key cancels what runs on Conn; it must not reach a client.
	Key pgwire.CancelKey
	// Parameters are the settings that the target reported, sorted by name.
	Parameters []ParameterStatus
	// Version is server_version as reported: "15.18 (Debian 15.18-1)".
	Version string
	// Tx is the transaction state, [pgwire.TxIdle].
	Tx byte

	to route
}

// Dial logs in to a target with SCRAM-SHA-256 (bound to the TLS channel where
// the target offers it), or the older password methods, or a client
// certificate. An error is of kind Unavailable, safe to show to the client, and
// says nothing about the credential; its hint is for the operator.
func Dial(ctx context.Context, o DialOptions) (*Upstream, error) {
	to, err := o.route()
	if err != nil {
		return nil, err
	}
	cfg, err := loginConfig(o, to)
	if err != nil {
		return nil, err
	}
	g := &gate{}
	var once single
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return once.dial(ctx, to) }
	cfg.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		g.Conn = conn
		return g, nil
	}
	pc, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, loginError(err, o, once.close())
	}
	hc, err := pc.Hijack()
	if err != nil {
		return nil, loginError(err, o, once.close())
	}
	u := &Upstream{Conn: g.Conn, Key: pgwire.CancelKey{PID: hc.PID, Secret: hc.SecretKey}, Tx: hc.TxStatus, to: to}
	u.Version = hc.ParameterStatuses["server_version"]
	for _, name := range slices.Sorted(maps.Keys(hc.ParameterStatuses)) {
		u.Parameters = append(u.Parameters, ParameterStatus{Name: name, Value: hc.ParameterStatuses[name]})
	}
	// A fixed address, so that a cancel request finds the server that the
	// session is on, not another one behind the same name.
	if addr := g.RemoteAddr(); to.network == "tcp" && addr != nil {
		u.to.address = addr.String()
	}
	return u, nil
}

// Close says good-bye to the target and closes the connection.
func (u *Upstream) Close(ctx context.Context) error {
	settle := expire(ctx, u.Conn)
	_, err := u.Conn.Write(pgwire.AppendTerminate(nil))
	settle()
	if cerr := u.Conn.Close(); err == nil {
		err = cerr
	}
	if errors.Is(err, net.ErrClosed) {
		return nil // who comes second has nothing to do
	}
	return err
}

// Cancel asks the target to cancel what runs on the connection. It returns when
// the target has taken the request, which says nothing about its success.
func (u *Upstream) Cancel(ctx context.Context) error {
	raw, err := u.to.dial(ctx)
	if err != nil {
		return cancelError(err)
	}
	defer func() { _ = raw.Close() }() // the request was taken, or there is an error already
	settle := expire(ctx, raw)
	defer settle()
	conn := raw
	if u.to.tls != nil {
		if conn, err = u.to.secure(ctx, raw); err != nil {
			return cancelError(err)
		}
	}
	if _, err := conn.Write(pgwire.AppendCancelRequest(nil, u.Key)); err != nil {
		return cancelError(err)
	}
	// The server closes the connection when it has passed the request on. How it
	// closes differs: with or without TLS's farewell, or with a reset.
	var none [1]byte
	if _, err := conn.Read(none[:]); err == nil || ctx.Err() != nil {
		return cancelError(errors.Join(err, ctx.Err()))
	}
	return nil
}

func cancelError(err error) error {
	return sallyport.E(sallyport.Unavailable, "postgres cancel", "the target did not take the cancel request").Because(err)
}

// route is the way to a target.
type route struct {
	network, address string
	tls              *tls.Config // nil: plaintext
}

// route checks the address and the transport.
func (o DialOptions) route() (route, error) {
	r := route{network: "tcp", address: o.Address}
	if strings.HasPrefix(o.Address, "/") {
		r.network = "unix"
	}
	host := ""
	if r.network == "tcp" {
		var err error
		if host, _, err = net.SplitHostPort(o.Address); err != nil || host == "" {
			return route{}, sallyport.E(sallyport.Invalid, opDial, "the target's address is not host:port or a path").Because(err)
		}
	}
	if o.TLS == nil {
		if !o.InsecurePlaintext || r.network == "tcp" && !loopbackName(host) {
			return route{}, sallyport.E(sallyport.Invalid, opDial, "the target is configured without TLS").
				WithHint("give its tls block; insecure_plaintext is for a Unix socket or a loopback address only")
		}
		return r, nil
	}
	if o.TLS.InsecureSkipVerify {
		return route{}, sallyport.E(sallyport.Invalid, opDial, "the target's certificate must be verified").
			WithHint("configure the authority that signed it")
	}
	r.tls = o.TLS.Clone()
	r.tls.MinVersion = max(r.tls.MinVersion, tls.VersionTLS12)
	r.tls.ServerName = cmp.Or(r.tls.ServerName, host)
	r.tls.NextProtos = []string{alpn}
	if r.tls.ServerName == "" {
		return route{}, sallyport.E(sallyport.Invalid, opDial, "TLS over a Unix socket needs a server name")
	}
	return r, nil
}

func loopbackName(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// single opens one connection and never a second. After a failed log-in pgconn
// goes on in a goroutine of its own: it sends a cancel request over a new
// connection and waits for the target to close the old one. Both would go on
// behind our back, so the first is refused and the second cut short.
type single struct {
	mu   sync.Mutex
	used bool
	conn net.Conn
}

func (s *single) dial(ctx context.Context, to route) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		return nil, errors.New("a log-in has one connection")
	}
	s.used = true
	conn, err := to.dial(ctx)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return conn, nil
}

// close closes the connection and reports whether there was one.
func (s *single) close() (dialed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = true
	if s.conn == nil {
		return false
	}
	_ = s.conn.Close() // closed already, most likely; the log-in has failed anyhow
	return true
}

// dial opens the connection below TLS. Without TLS it makes sure of the peer's
// address, since "localhost" is only a name.
func (r route) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 5 * time.Minute}
	conn, err := d.DialContext(ctx, r.network, r.address)
	if err != nil {
		return nil, err
	}
	if r.tls == nil && r.network == "tcp" {
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return nil, errors.Join(errors.New("plaintext is allowed to a loopback address only"), conn.Close())
		}
	}
	return conn, nil
}

// secure asks for TLS and does the handshake. It reads the one byte of the
// answer and no more (CVE-2021-23222).
func (r route) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if _, err := conn.Write(pgwire.AppendSSLRequest(nil)); err != nil {
		return nil, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, err
	}
	if answer[0] != 'S' {
		return nil, errors.New("the server refused TLS")
	}
	t := tls.Client(conn, r.tls)
	return t, t.HandshakeContext(ctx)
}

// loginConfig makes pgconn's configuration. pgconn insists on parsing one
// itself and fills what is left open from the environment and the home
// directory of the process; so every key that it would look up is given, and
// whatever matters is then set field by field.
func loginConfig(o DialOptions, to route) (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig("host=127.0.0.1 port=5432 dbname=postgres user=sallyport password=none sslmode=disable " +
		"sslnegotiation=postgres sslcertmode=allow connect_timeout=0 target_session_attrs=any channel_binding=prefer " +
		"require_auth='' min_protocol_version=3.0 max_protocol_version=3.0")
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, opDial, "the gateway's log-in is not set up").
			WithHint("remove the PG variables, such as PGSERVICE, from the gateway's environment").Because(err)
	}
	cfg.Database, cfg.User, cfg.Password = o.Database, o.User, o.Password
	cfg.TLSConfig, cfg.Fallbacks = to.tls, nil
	cfg.KerberosSrvName, cfg.KerberosSpn, cfg.OAuthTokenProvider = "", "", nil
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.MaxProtocolMessageBodyLen = maxLoginMessage
	cfg.RuntimeParams = maps.Clone(o.RuntimeParams)
	if cfg.RuntimeParams == nil {
		cfg.RuntimeParams = map[string]string{}
	}
	if o.Application != "" {
		cfg.RuntimeParams["application_name"] = o.Application
	}
	// Methods that hand the password over are for a server whose name was
	// verified. A password that the target does not ask for is a mistake in its
	// configuration: everybody could log in there.
	cfg.RequireAuth = "scram-sha-256,md5,password"
	if to.tls == nil || o.Password == "" || len(to.tls.Certificates) > 0 || to.tls.GetClientCertificate != nil {
		cfg.RequireAuth = ""
	}
	return cfg, nil
}

// loginError keeps of pgconn's error what helps the operator. The text of an
// error that the target sent is dropped, only its SQLSTATE is kept; and it is
// not kept as a [pgwire.State], which would tell the client that its own
// password was wrong.
func loginError(err error, o DialOptions, dialed bool) error {
	e := sallyport.E(sallyport.Unavailable, opDial, "the gateway could not log in to the target")
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.WithHint(loginHint(pe.Code)).Because(errors.New("the target answered with SQLSTATE " + sqlstateText(pe.Code)))
	}
	text := err.Error()
	if o.Password != "" {
		text = strings.ReplaceAll(text, o.Password, "[password]")
	}
	hint := "for the operator: the target's address answers; check its TLS configuration (authority, server name) and that it asks for a password"
	if !dialed {
		hint = "for the operator: check the target's address and that it is up"
	}
	return e.WithHint(hint).Because(errors.New(text))
}

// sqlstateText lets nothing through but the five characters of a SQLSTATE.
func sqlstateText(code string) string {
	if len(code) != 5 || strings.Trim(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "unknown"
	}
	return code
}

func loginHint(code string) string {
	const who = "for the operator: "
	switch code {
	case "28P01", "28000":
		return who + "check the target's credential in the vault and the target's pg_hba.conf"
	case "3D000":
		return who + "the database of the resource does not exist on the target"
	case "42501", "22023", "42704":
		return who + "the target refuses a setting of the session; check the resource's role and settings"
	case "53300":
		return who + "the target has no connection left; raise its max_connections or lower the gateway's sessions"
	case "57P03":
		return who + "the target is starting, stopping or recovering; try again"
	}
	return who + "see the log of the target"
}

// Limits on what a target may send before it is ready, in bytes.
const (
	maxLoginMessage = 64 << 10
	maxLogin        = 1 << 20
)

// gate stands before a connection during the log-in and never reads past the
// message that is being delivered, so that no buffer above it can hold bytes
// that belong to the relay. Behind ReadyForQuery it reads no more at all: when a
// write takes long, pgconn reads in a goroutine of its own, which may ask for
// more after the log-in and would take the first bytes from the relay. It also
// limits what the target may send.
type gate struct {
	net.Conn
	ready bool         // the message being delivered is ReadyForQuery
	head  bytes.Reader // what is left of the header
	store [pgwire.HeaderLen]byte
	body  int // what is left of the body
	total int
}

// Read returns bytes of one message.
func (g *gate) Read(b []byte) (int, error) {
	if g.head.Len() == 0 && g.body == 0 {
		if g.ready {
			return 0, errors.New("the log-in is over")
		}
		if _, err := io.ReadFull(g.Conn, g.store[:]); err != nil {
			return 0, err
		}
		typ, total, _, err := pgwire.Next(g.store[:], maxLoginMessage)
		if err != nil {
			return 0, err
		}
		g.ready = typ == pgwire.ServerReadyForQuery
		if g.total += total; g.total > maxLogin {
			return 0, errors.New("the target sent too much before it was ready")
		}
		g.head.Reset(g.store[:])
		g.body = total - pgwire.HeaderLen
	}
	if g.head.Len() > 0 {
		return g.head.Read(b)
	}
	n, err := g.Conn.Read(b[:min(len(b), g.body)])
	g.body -= n
	return n, err
}
