//! One mistaken `iounmap` more: who loses his mapping by it, and who does not.

use super::*;
use crate::addr::PhysRange;
use crate::map::area::AreaState;
use crate::map::prot::MemoryType::{Device, WriteCombine};
use crate::map::vmalloc::AreaFault;

const UART: PhysAddr = PhysAddr::new(0x900_0000);
const PAGE: PhysRange = PhysRange::new(UART, PhysAddr::new(0x900_1000));

#[test]
fn a_second_iounmap_takes_the_use_of_who_keeps_an_address_and_a_third_is_told() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let [one, other] = [0, 1].map(|caller| io.ioremap(UART, 0x1000, caller).unwrap());
        assert_eq!(one, other, "shared");
        io.iounmap(one).unwrap();
        assert_eq!(bench.phys(other), Some(0x900_0000));
        // Nobody can tell the two apart.
        io.iounmap(one).unwrap();
        assert_eq!(bench.phys(other), None);
        for _ in 0..2 {
            let fault = io.iounmap(other).unwrap_err().fault;
            assert_eq!(fault, AreaFault::NotLive { state: AreaState::Waiting });
        }
        bench.region.purge();
        let fault = AreaFault::NotLive { state: AreaState::Spare };
        assert_eq!(io.iounmap(other).unwrap_err().fault, fault);
        bench.region.make_room();
        assert_eq!(io.iounmap(other).unwrap_err().fault, AreaFault::NoArea);
        assert_eq!(bench.told().len(), 4);
    });
}

#[test]
fn no_iounmap_takes_an_owners_use() {
    with_io(space(16), |bench| {
        let io = bench.io;
        for range in [PAGE, bytes(0x1000_0000, 0x1010_0000), bytes(0x1000_0000, 0x1020_0000)] {
            let owners = [(); 2].map(|()| io.map(range, Device, 7).unwrap());
            let start = owners[0].start();
            let kept = io.ioremap(range.start(), 0x1000, 8).unwrap();
            assert_eq!((kept, owners[1].start()), (start, start));
            io.iounmap(kept).unwrap();
            for wrong in [start, start.checked_add(0xfff).unwrap(), start] {
                assert_eq!(io.iounmap(wrong).unwrap_err().fault, AreaFault::Owned);
            }
            assert_eq!(bench.told().len(), 3);
            assert_eq!(bench.phys(start), Some(range.start().as_u64()));
            let [one, other] = owners;
            drop(one);
            assert_eq!(io.iounmap(start).unwrap_err().fault, AreaFault::Owned);
            assert_eq!(bench.phys(other.start()), Some(range.start().as_u64()));
            drop(other);
            assert_eq!(bench.phys(start), None);
            let fault = AreaFault::NotLive { state: AreaState::Waiting };
            assert_eq!(io.iounmap(start).unwrap_err().fault, fault);
            assert_eq!(bench.told().len(), 2);
        }
    });
}

#[test]
fn an_owner_leaves_who_keeps_an_address_his_use() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let kept = io.ioremap_wc(UART, 0x3000, 1).unwrap();
        let owner = io.map(bytes(0x900_1000, 0x900_2000), WriteCombine, 2).unwrap();
        assert_eq!(owner.start(), kept.checked_add(0x1000).unwrap());
        drop(owner);
        assert_eq!(bench.phys(kept), Some(0x900_0000));
        io.iounmap(kept).unwrap();
        assert_eq!(bench.phys(kept), None);
    });
}

#[test]
fn what_is_revived_belongs_to_nobody_before() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let start = io.map(PAGE, Device, 1).unwrap().leak().start();
        io.unmap_owned(start);
        // The same area, and no owner left in its record.
        assert_eq!(io.ioremap(UART, 0x1000, 2), Ok(start));
        io.iounmap(start).unwrap();
        let owner = io.map(PAGE, Device, 3).unwrap();
        assert_eq!(owner.start(), start);
        assert_eq!(io.iounmap(start).unwrap_err().fault, AreaFault::Owned);
        drop(owner);
        assert_eq!(bench.told().len(), 1);
    });
}
