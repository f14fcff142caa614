/* Lists that run in a ring, with the links inside the elements. The head is a link like the others, and
 * an empty list is a head that leads to itself. Nothing is locked. */
#pragma once

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/types.h>

/* What a link that is in no list leads to: addresses that fault, and are easy to recognise. */
#define LIST_POISON1 ((struct list_head *)0x100)
#define LIST_POISON2 ((struct list_head *)0x122)

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline void __list_join(struct list_head *before, struct list_head *after)
{
	before->next = after;
	after->prev = before;
}

/* Puts `element` behind `place`: to a list's front, if that is the head. */
static inline void list_add(struct list_head *element, struct list_head *place)
{
	__list_join(element, place->next);
	__list_join(place, element);
}

/* Puts `element` before `place`: to a list's end, if that is the head. */
static inline void list_add_tail(struct list_head *element, struct list_head *place)
{
	list_add(element, place->prev);
}

static inline void list_del(struct list_head *element)
{
	__list_join(element->prev, element->next);
	element->next = LIST_POISON1;
	element->prev = LIST_POISON2;
}

static inline void list_del_init(struct list_head *element)
{
	__list_join(element->prev, element->next);
	INIT_LIST_HEAD(element);
}

static inline void list_move(struct list_head *element, struct list_head *place)
{
	__list_join(element->prev, element->next);
	list_add(element, place);
}

static inline void list_move_tail(struct list_head *element, struct list_head *place)
{
	__list_join(element->prev, element->next);
	list_add_tail(element, place);
}

static inline bool list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

static inline bool list_is_last(const struct list_head *element, const struct list_head *head)
{
	return element->next == head;
}

/* Puts all of `list` to the front of `place`, and leaves `list` as it was: no list any more. */
static inline void list_splice(const struct list_head *list, struct list_head *place)
{
	if (!list_empty(list)) {
		__list_join(list->prev, place->next);
		__list_join(place, list->next);
	}
}

static inline void list_splice_init(struct list_head *list, struct list_head *place)
{
	list_splice(list, place);
	INIT_LIST_HEAD(list);
}

#define list_entry(link, type, member) container_of(link, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(at, member) list_entry((at)->member.next, __typeof__(*(at)), member)
#define list_prev_entry(at, member) list_entry((at)->member.prev, __typeof__(*(at)), member)

#define list_for_each(at, head) for (at = (head)->next; at != (head); at = at->next)
#define list_for_each_safe(at, after, head) \
	for (at = (head)->next, after = at->next; at != (head); at = after, after = at->next)

#define list_for_each_entry(at, head, member) \
	for (at = list_first_entry(head, __typeof__(*at), member); &at->member != (head); \
	     at = list_next_entry(at, member))
#define list_for_each_entry_reverse(at, head, member) \
	for (at = list_last_entry(head, __typeof__(*at), member); &at->member != (head); \
	     at = list_prev_entry(at, member))
/* `at` may be removed, and freed, in the loop. */
#define list_for_each_entry_safe(at, after, head, member) \
	for (at = list_first_entry(head, __typeof__(*at), member), \
	    after = list_next_entry(at, member); \
	     &at->member != (head); at = after, after = list_next_entry(at, member))
