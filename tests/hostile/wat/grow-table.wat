;; Asks for one table element after the other.

;; -- items
(table $table 1 funcref)

;; -- add
(loop $on (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $on))
