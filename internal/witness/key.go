// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// Key is a witness's name and private key. It has no way to be printed.
type Key struct {
	cosigner *evidence.Cosigner
	vkey     string
	private  ed25519.PrivateKey
}

// maxKeyFile bounds a key file in bytes.
const maxKeyFile = 4 << 10

// CreateKey makes the key of a witness and writes it to a file that must not be
// there yet, mode 0600, durable on return. The file has the form of signed-note
// signer keys, which other witnesses read as well.
func CreateKey(path, name string, rand io.Reader) (*Key, error) {
	const op = "witness key"
	skey, _, err := note.GenerateKey(rand, name)
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, op, "no key can be made").Because(err)
	}
	k, err := parseKey(skey)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the witness's name is not one for a key").
			WithHint("give a name such as witness.example/w1, without spaces and plus signs").Because(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, sallyport.E(sallyport.Conflict, op, "the key file is there already; it was not touched").
			WithHint("a witness keeps its key as long as anybody trusts it; name another file for another witness")
	}
	if err == nil {
		_, err = io.WriteString(f, skey+"\n")
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = ledger.OS{}.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the key file cannot be written").Because(err)
	}
	return k, nil
}

// LoadKey reads a key file. A file that others than its owner may read is
// refused.
func LoadKey(path string) (*Key, error) {
	const op = "witness key"
	info, err := os.Stat(path)
	if err != nil {
		return nil, sallyport.E(sallyport.NotFound, op, "the key file cannot be read").
			WithHint("make it with: sallyport witness init --config FILE").Because(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "others than its owner may read the key file").
			WithHint("chmod 600 " + path + ", and take the key for disclosed if anybody could have read it")
	}
	if info.Size() > maxKeyFile {
		return nil, sallyport.E(sallyport.Invalid, op, "the key file holds no key")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the key file cannot be read").Because(err)
	}
	k, err := parseKey(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the key file holds no key").Because(err)
	}
	return k, nil
}

// parseKey reads PRIVATE+KEY+NAME+HASH+BASE64 of an Ed25519 key. Its errors do
// not repeat the text.
func parseKey(skey string) (*Key, error) {
	signer, err := note.NewSigner(skey) // checks form and hash
	if err != nil {
		return nil, errors.New("it is not a signer key of Ed25519")
	}
	parts := strings.SplitN(skey, "+", 5) // base64 itself may have a plus
	b, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(b) != 1+ed25519.SeedSize {
		return nil, errors.New("it is not a signer key of Ed25519")
	}
	private := ed25519.NewKeyFromSeed(b[1:])
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("it has no public key")
	}
	k := &Key{private: private}
	if k.vkey, err = evidence.CosignerKey(signer.Name(), public); err != nil {
		return nil, err
	}
	k.cosigner, err = evidence.NewCosigner(k.vkey)
	return k, err
}

// VerifierKey returns the vkey by which the witness's cosignatures are verified
// (signature type 0x04).
func (k *Key) VerifierKey() string { return k.vkey }

// Name returns the witness's name.
func (k *Key) Name() string { return k.cosigner.Name() }

// cosign returns the signature line of a cosignature of a note's text.
func (k *Key) cosign(text string, at time.Time) ([]byte, error) {
	if at.Unix() < 0 {
		return nil, sallyport.E(sallyport.Unavailable, "witness", "the clock stands before 1970").WithHint("set the clock of the witness")
	}
	t := uint64(at.Unix())
	b := binary.BigEndian.AppendUint32(nil, k.cosigner.KeyHash())
	b = binary.BigEndian.AppendUint64(b, t)
	b = append(b, ed25519.Sign(k.private, evidence.CosignedMessage(t, []byte(text)))...)
	return signatureLine(k.Name(), base64.StdEncoding.EncodeToString(b)), nil
}

// signatureLine is a note's signature line (C2SP signed-note, "Format").
func signatureLine(name, b64 string) []byte { return fmt.Appendf(nil, "\u2014 %s %s\n", name, b64) }
