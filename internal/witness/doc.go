// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package witness has both sides of the C2SP tlog-witness protocol: the client
// by which a gateway's ledger gets its checkpoints cosigned, and a witness.
//
// # The client
//
// [Client.Run] gives every new checkpoint of the log to the witnesses of a trust
// policy (C2SP tlog-policy), and the same one again when nothing new was
// written, so that there is always a young cosignature. When the policy's quorum
// holds, the cosigned checkpoint is kept, in a file too. [Client.Fresh] says
// whether it is younger than the lease; a gateway that demands witnesses
// forwards nothing while it is not. What a partitioned, cut or replaced ledger
// can hide is thereby bounded to the length of the lease.
//
// Only a cosignature that verifies, by the key in the policy, over this very
// checkpoint counts. A witness that is slow, out of reach, or answers anything
// else counts for nothing. A witness that says it has seen a longer log or
// another one is believed: the log was then restored from a copy, or there are
// two of it. This error stays until the process ends.
//
// # The witness
//
// [Server] answers add-checkpoint for the logs whose keys it was given, and for
// no other. For each log it keeps the last checkpoint that it cosigned, durably
// before it answers, in a file of its state directory: the checkpoint with the
// witness's own cosignature, by which it recognises its state when it starts.
// It sees sizes and hashes, no events.
package witness
