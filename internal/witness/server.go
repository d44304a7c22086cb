// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// maxServed bounds the requests that are served at once.
const maxServed = 64

// ServerOptions say what a witness is. All but Files are required.
type ServerOptions struct {
	Key *Key
	// Logs are the verifier keys (signed-note vkeys) of the logs to cosign; a key's
	// name is its log's origin, and a log may have several.
	Logs   []string
	Dir    string // of the state
	Now    func() time.Time
	Logger *slog.Logger
	Files  Files // ledger.OS{} when nil
}

// Server is a witness (C2SP tlog-witness). It is an [http.Handler] for its
// submission prefix; Close it after the last request.
type Server struct {
	opt   ServerOptions
	known map[string][]note.Verifier // by origin
	store *store
	slots chan struct{}
	mux   *http.ServeMux
}

// NewServer opens a witness. Errors: Invalid for a log's key, Unavailable for a
// state directory that cannot be used, Integrity for a state that is not its own.
func NewServer(opt ServerOptions) (*Server, error) {
	const op = "witness open"
	s := &Server{opt: opt, known: map[string][]note.Verifier{}, slots: make(chan struct{}, maxServed), mux: http.NewServeMux()}
	if len(opt.Logs) == 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "the witness knows no log").WithHint("list the verifier keys of the logs under logs")
	}
	var origins []string
	for _, vkey := range opt.Logs {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, op, "a log's verifier key is malformed").
				WithHint("`sallyport audit key` prints a gateway's").Because(err)
		}
		if s.known[v.Name()] == nil {
			origins = append(origins, v.Name())
		}
		s.known[v.Name()] = append(s.known[v.Name()], v)
	}
	if opt.Files == nil {
		s.opt.Files = ledger.OS{}
	}
	var err error
	if s.store, err = openStore(s.opt.Files, opt.Dir, opt.Key, origins); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("POST /add-checkpoint", s.addCheckpoint)
	return s, nil
}

// Close gives the state directory free.
func (s *Server) Close() error { return s.store.close() }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		http.Error(w, "the witness is serving too many requests", http.StatusServiceUnavailable)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Serve serves on a listener until ctx ends, with TLS unless conf is nil.
func (s *Server) Serve(ctx context.Context, ln net.Listener, conf *tls.Config) error {
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.opt.Logger.Handler(), slog.LevelDebug),
	}
	if conf != nil {
		ln = tls.NewListener(ln, conf)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return sallyport.E(sallyport.Unavailable, "witness", "the witness cannot be served").Because(err)
	case <-ctx.Done():
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(sctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	says   string
	size   *uint64 // for 409: the size that is known
}

func (e *refusal) Error() string { return e.says }

func refuse(status int, says string) error { return &refusal{status: status, says: says} }

func (s *Server) addCheckpoint(w http.ResponseWriter, r *http.Request) {
	line, err := s.answer(w, r)
	var no *refusal
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(line) // a client that went away asks again
	case errors.As(err, &no) && no.size != nil:
		w.Header().Set("Content-Type", sizeType)
		w.WriteHeader(no.status)
		_, _ = fmt.Fprintf(w, "%d\n", *no.size)
	case errors.As(err, &no):
		http.Error(w, no.says, no.status)
	default:
		s.opt.Logger.Error("a checkpoint cannot be cosigned", "err", err)
		http.Error(w, "the witness cannot cosign now", http.StatusInternalServerError)
	}
}

// answer goes through the checks of the specification in their order.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the request cannot be read")
	}
	req, err := parseRequest(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err.Error())
	}
	cp, err := s.open(req.checkpoint)
	if err != nil {
		return nil, err
	}
	if req.old > cp.Size {
		return nil, refuse(http.StatusBadRequest, "the old size is larger than the checkpoint's")
	}
	st := s.store.logs[cp.Origin]
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.failed != nil {
		return nil, st.failed
	}
	if err := s.consistent(st.last, cp, req); err != nil {
		return nil, err
	}
	return s.cosign(st, cp)
}

// open verifies a checkpoint by the keys that are known for its origin.
func (s *Server) open(signed []byte) (evidence.Checkpoint, error) {
	origin, _, _ := bytes.Cut(signed, []byte("\n"))
	known, ok := s.known[string(origin)]
	if !ok {
		return evidence.Checkpoint{}, refuse(http.StatusNotFound, "the origin is not known")
	}
	cp, err := evidence.OpenCheckpoint(signed, note.VerifierList(known...))
	var unknown *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return cp, refuse(http.StatusForbidden, "no key that is known for the origin signed the checkpoint")
	case err != nil:
		return cp, refuse(http.StatusBadRequest, "the checkpoint is malformed, or has extension lines, which this witness does not cosign")
	}
	if cp.Size == 0 && cp.Root != emptyRoot() {
		return cp, refuse(http.StatusUnprocessableEntity, "an empty tree has another root")
	}
	return cp, nil
}

// emptyRoot is the hash of the empty string (RFC 6962 section 2.1).
func emptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// consistent compares a checkpoint with the last one that was cosigned.
func (s *Server) consistent(last, cp evidence.Checkpoint, req request) error {
	if req.old != last.Size {
		return &refusal{status: http.StatusConflict, says: "the old size is not the one that is known", size: &last.Size}
	}
	if last.Size == 0 {
		if len(req.proof) > 0 {
			return refuse(http.StatusUnprocessableEntity, "from an empty tree there is no proof")
		}
		return nil
	}
	if cp.Size == last.Size && cp.Root != last.Root {
		s.opt.Logger.Error("a log has two trees of the same size", "origin", cp.Origin, "size", cp.Size, "known", last.Root.String(), "offered", cp.Root.String())
		return refuse(http.StatusConflict, "another tree of this size was cosigned")
	}
	if err := tlog.CheckTree(req.proof, int64(cp.Size), cp.Root, int64(last.Size), last.Root); err != nil {
		s.opt.Logger.Error("a checkpoint does not grow out of the last one", "origin", cp.Origin, "known", last.Size, "offered", cp.Size)
		return refuse(http.StatusUnprocessableEntity, "the proof does not show that the tree grew out of the one that was cosigned")
	}
	return nil
}

// cosign makes the new state durable and only then gives the cosignature away.
// The caller holds st.mu.
func (s *Server) cosign(st *state, cp evidence.Checkpoint) ([]byte, error) {
	line, err := s.opt.Key.cosign(cp.Text(), s.opt.Now())
	if err != nil {
		return nil, err
	}
	// The witness's own signature is enough to recognise the state by.
	own := append([]byte(cp.Text()+"\n"), line...)
	if err := s.store.keep(st, cp, own); err != nil {
		return nil, err
	}
	return line, nil
}
