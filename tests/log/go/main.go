// A second opinion on what mrv/log makes, by code not written here: golang.org/x/mod/sumdb (note, tlog).
//
// Reads one JSON question per line, answers one JSON line each: {"ok":bool,...}. Debian packages golang-go and
// golang-golang-x-mod-dev are all it needs:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o judge main.go
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Ask    string
	Note   []byte
	Vkey   string
	Index  int64
	Size   int64
	Size1  int64
	Leaf   []byte
	Leaves [][]byte
	Proof  []tlog.Hash
	Root   tlog.Hash
	Root1  tlog.Hash
}

type answer struct {
	OK    bool        `json:"ok"`
	Why   string      `json:"why,omitempty"`
	Text  string      `json:"text,omitempty"`
	Time  uint64      `json:"time,omitempty"`
	Proof []tlog.Hash `json:"proof,omitempty"`
}

// cosigner is a note.Verifier for signature type 0x04, c2sp.org/tlog-cosignature "Ed25519 signed message".
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	time uint64
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	c.time = binary.BigEndian.Uint64(sig)
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", c.time, msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("malformed vkey")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not a cosignature key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, errors.New("key id differs")
	}
	return &cosigner{name: parts[0], hash: hash, key: key[1:]}, nil
}

// tree is all hashes of a log, made by tlog itself from the leaves.
type tree []tlog.Hash

func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = t[index]
	}
	return found, nil
}

func grow(leaves [][]byte) (tree, error) {
	var t tree
	for i, leaf := range leaves {
		hashes, err := tlog.StoredHashes(int64(i), leaf, t)
		if err != nil {
			return nil, err
		}
		t = append(t, hashes...)
	}
	return t, nil
}

func open(q question, v note.Verifier) (string, error) {
	n, err := note.Open(q.Note, note.VerifierList(v))
	if err != nil {
		return "", err
	}
	return n.Text, nil
}

func judge(q question) (a answer, err error) {
	switch q.Ask {
	case "checkpoint":
		var v note.Verifier
		if v, err = note.NewVerifier(q.Vkey); err == nil {
			a.Text, err = open(q, v)
		}
	case "receipt":
		var c *cosigner
		if c, err = newCosigner(q.Vkey); err == nil {
			a.Text, err = open(q, c)
			a.Time = c.time
		}
	case "inclusion":
		err = tlog.CheckRecord(q.Proof, q.Size, q.Root, q.Index, tlog.RecordHash(q.Leaf))
	case "consistency":
		err = tlog.CheckTree(q.Proof, q.Size, q.Root, q.Size1, q.Root1)
	case "root", "prove-inclusion", "prove-consistency":
		var t tree
		if t, err = grow(q.Leaves); err != nil {
			break
		}
		switch n := int64(len(q.Leaves)); q.Ask {
		case "root":
			var root tlog.Hash
			root, err = tlog.TreeHash(n, t)
			a.Proof = []tlog.Hash{root}
		case "prove-inclusion":
			a.Proof, err = tlog.ProveRecord(n, q.Index, t)
		case "prove-consistency":
			a.Proof, err = tlog.ProveTree(n, q.Size1, t)
		}
	default:
		err = fmt.Errorf("unknown question %q", q.Ask)
	}
	return a, err
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var q question
		var a answer
		if err = json.Unmarshal(line, &q); err == nil {
			a, err = judge(q)
		}
		if a.OK = err == nil; err != nil {
			a.Why = err.Error()
		}
		if out.Encode(a) != nil {
			return
		}
	}
}
