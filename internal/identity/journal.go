// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Journal is where logins and token events are written down before they take
// effect. A method returns when the event is durable.
type Journal interface {
	Identity(ctx context.Context, e evidence.Identity) error
	Token(ctx context.Context, e evidence.Token) error
}

type clientKey struct{}

// WithClient returns a context that carries the address of the client that
// logs in, for the record.
func WithClient(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, clientKey{}, address)
}

func clientOf(ctx context.Context) string {
	s, _ := ctx.Value(clientKey{}).(string)
	return s
}

// accepted writes down a login that is about to succeed. If that cannot be
// done, the login does not happen.
func accepted(ctx context.Context, j Journal, p sallyport.Principal) error {
	err := j.Identity(ctx, evidence.Identity{Accepted: true, Principal: &p, Client: clientOf(ctx)})
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "login", "the login could not be put on record, so it was refused").
			WithHint("the gateway's ledger does not accept events; its operator has to look").Because(err)
	}
	return nil
}

// refused writes down a login that was refused for the reason why, and returns
// why. p is what is proved about the caller so far: nil before its signature
// was checked.
func refused(ctx context.Context, j Journal, p *sallyport.Principal, why error) error {
	msg, _ := sallyport.Public(why)
	err := j.Identity(ctx, evidence.Identity{Principal: p, Reason: msg, Client: clientOf(ctx)})
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "login", "a refused login could not be put on record").
			WithHint("the gateway's ledger does not accept events; its operator has to look").Because(err)
	}
	return why
}
