;; Computes without end in `delete`.

;; -- delete
(loop $on (br $on))
